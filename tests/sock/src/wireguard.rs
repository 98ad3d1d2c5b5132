// SPDX-License-Identifier: GPL-2.0

//! As much of wg(8) as `tests/address` needs, by generic netlink: `include/uapi/linux/wireguard.h`.

use crate::address::{address_in, inside, namespace_and_device, Outcome};
use guest::{
    netlink::{reason, Netlink},
    sys::{value_of, Address},
    uapi::{NLA_F_NESTED, NLM_F_DUMP},
    wire::{attr, Attrs, Request},
};
use std::net::{IpAddr, SocketAddr};

/// Where the side listens that is asked first.
const PORT: u16 = 51820;

/// `genl_family` of WireGuard.
const GET_DEVICE: u8 = 0;
const SET_DEVICE: u8 = 1;
/// `WGDEVICE_A_*`
const NAME: u16 = 2;
const PRIVATE_KEY: u16 = 3;
const PUBLIC_KEY: u16 = 4;
const LISTEN_PORT: u16 = 6;
const PEERS: u16 = 8;
/// `WGPEER_A_*`
const PEER_KEY: u16 = 1;
const PEER_ENDPOINT: u16 = 4;
const PEER_ALLOWED: u16 = 9;
/// `WGALLOWEDIP_A_*`
const ALLOWED_FAMILY: u16 = 1;
const ALLOWED_ADDRESS: u16 = 2;
const ALLOWED_MASK: u16 = 3;

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    attr(kind | NLA_F_NESTED, value)
}

/// The value of the first attribute of that kind.
fn find(bytes: &[u8], kind: u16) -> Outcome<&[u8]> {
    let found = Attrs::read(bytes).get(kind);
    found.ok_or_else(|| format!("no attribute {kind}"))
}

/// What comes back first, without the headers; nothing if that is an acknowledgement.
fn ask(
    netlink: &mut Netlink,
    family: u16,
    flags: u16,
    command: u8,
    attributes: &[u8],
) -> Outcome<Vec<u8>> {
    // Behind struct genlmsghdr.
    let request = Request::new(family, flags, &[&[command, 1, 0, 0], attributes].concat());
    let replies = netlink.ask(request).map_err(|e| e.to_string())?;
    let replies = replies.map_err(|code| format!("netlink: {}", reason(code)))?;
    Ok(replies
        .first()
        .map_or(Vec::new(), |r| r.payload[4..].to_vec()))
}

/// The number of WireGuard's family (`CTRL_CMD_GETFAMILY`).
fn family(netlink: &mut Netlink) -> Outcome<u16> {
    let name = attr(libc::CTRL_ATTR_FAMILY_NAME as u16, b"wireguard\0");
    let (controller, get) = (libc::GENL_ID_CTRL as u16, libc::CTRL_CMD_GETFAMILY as u8);
    let answer = ask(netlink, controller, 0, get, &name)?;
    let id = find(&answer, libc::CTRL_ATTR_FAMILY_ID as u16)?;
    Ok(value_of(id))
}

/// One side.
struct Side {
    netlink: Netlink,
    family: u16,
    name: Vec<u8>,
}

impl Side {
    fn new(text: &str) -> Outcome<Self> {
        let (namespace, device) = namespace_and_device(text)?;
        let mut netlink = inside(namespace, || {
            let protocol = libc::NETLINK_GENERIC as isize;
            Netlink::open(protocol).map_err(|e| e.to_string())
        })?;
        Ok(Self {
            family: family(&mut netlink)?,
            netlink,
            name: attr(NAME, format!("{device}\0").as_bytes()),
        })
    }

    fn set(&mut self, attributes: &[u8]) -> Outcome<()> {
        let attributes = [&self.name, attributes].concat();
        ask(&mut self.netlink, self.family, 0, SET_DEVICE, &attributes).map(drop)
    }

    fn get(&mut self) -> Outcome<Vec<u8>> {
        let (netlink, family) = (&mut self.netlink, self.family);
        ask(netlink, family, NLM_F_DUMP, GET_DEVICE, &self.name)
    }

    /// Gives it a key, and says the public one.
    fn key(&mut self, private: u8, port: u16) -> Outcome<Vec<u8>> {
        let key = attr(PRIVATE_KEY, &[private; 32]);
        let port = attr(LISTEN_PORT, &port.to_ne_bytes());
        self.set(&[key, port].concat())?;
        find(&self.get()?, PUBLIC_KEY).map(<[u8]>::to_vec)
    }

    /// A peer, whose address in the tunnel may be any of IPv4.
    fn peer(&mut self, key: &[u8], endpoint: Option<SocketAddr>) -> Outcome<()> {
        let allowed = [
            attr(ALLOWED_FAMILY, &(libc::AF_INET as u16).to_ne_bytes()),
            attr(ALLOWED_ADDRESS, &[0; 4]),
            attr(ALLOWED_MASK, &[0]),
        ];
        let mut peer = attr(PEER_KEY, key);
        if let Some(endpoint) = endpoint {
            peer.extend(attr(PEER_ENDPOINT, &Address::from(endpoint).0));
        }
        peer.extend(nested(PEER_ALLOWED, &nested(0, &allowed.concat())));
        self.set(&nested(PEERS, &nested(0, &peer)))
    }
}

/// `wireguard SERVER,DEVICE CLIENT,DEVICE ADDRESS`: gives both devices keys, and the client the
/// server's address.
pub fn connect(words: &[&str]) -> Outcome<()> {
    let (mut server, mut client) = (Side::new(words[0])?, Side::new(words[1])?);
    let to: IpAddr = words[2].parse().map_err(|_| "no address")?;
    let (server_key, client_key) = (server.key(1, PORT)?, client.key(2, 0)?);
    server.peer(&client_key, None)?;
    client.peer(&server_key, Some((to, PORT).into()))
}

/// `wireguard-peer CLIENT,DEVICE`: prints where the peer was heard last.
pub fn peer(words: &[&str]) -> Outcome<()> {
    let device = Side::new(words[0])?.get()?;
    let peer = find(find(&device, PEERS)?, 0)?;
    let endpoint = find(peer, PEER_ENDPOINT)?;
    println!("{}", address_in(&Address(endpoint.to_vec()))?);
    Ok(())
}

// SPDX-License-Identifier: GPL-2.0

//! As much of wg(8) as `tests/address` needs, by generic netlink: `include/uapi/linux/wireguard.h`.

use crate::{
    address::{address_in, inside, namespace_and_device, Outcome, What},
    msg,
    sys::{self, value_of, Address},
};
use std::{
    io::Error,
    net::{IpAddr, SocketAddr},
    os::fd::OwnedFd,
};

/// Where the side listens that is asked first.
const PORT: u16 = 51820;

/// Of a request.
const ACK: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

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

const HEADERS: usize = 16 + 4;

/// An attribute with its padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = (4 + value.len() as u16).to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    attribute(kind | libc::NLA_F_NESTED as u16, value)
}

/// The value of the first attribute of that kind.
fn find(mut bytes: &[u8], kind: u16) -> Outcome<&[u8]> {
    while bytes.len() >= 4 {
        let (len, found) = (
            value_of::<u16>(bytes) as usize,
            value_of::<u16>(&bytes[2..]),
        );
        if i32::from(found) & libc::NLA_TYPE_MASK == i32::from(kind) {
            return Ok(&bytes[4..len]);
        }
        bytes = &bytes[len.next_multiple_of(4).min(bytes.len())..];
    }
    Err(format!("no attribute {kind}"))
}

/// A generic netlink socket in that namespace.
struct Netlink(OwnedFd);

impl Netlink {
    fn open(namespace: &str) -> Outcome<Self> {
        inside(namespace, || {
            let socket = sys::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC);
            Ok(Self(socket.what("netlink")?))
        })
    }

    /// What comes back, without the headers; nothing if that is an acknowledgement.
    fn ask(&self, family: u16, flags: u16, command: u8, attributes: &[u8]) -> Outcome<Vec<u8>> {
        let len = (HEADERS + attributes.len()) as u32;
        let mut request = len.to_ne_bytes().to_vec();
        request.extend(family.to_ne_bytes());
        request.extend(flags.to_ne_bytes());
        // Sequence number and port.
        request.extend([0; 8]);
        // struct genlmsghdr
        request.extend([command, 1, 0, 0]);
        request.extend(attributes);
        msg::send(&self.0, &request, None, &[], 0).what("netlink")?;
        let answer = msg::receive(&self.0, 0).what("netlink")?.data;
        if i32::from(value_of::<u16>(&answer[4..])) == libc::NLMSG_ERROR {
            let error = value_of::<i32>(&answer[16..]);
            return match error {
                0 => Ok(Vec::new()),
                _ => Err(format!("netlink: {}", Error::from_raw_os_error(-error))),
            };
        }
        let len = value_of::<u32>(&answer) as usize;
        Ok(answer[HEADERS..len].to_vec())
    }

    /// The number of WireGuard's family (`CTRL_CMD_GETFAMILY`).
    fn wireguard(&self) -> Outcome<u16> {
        let name = attribute(libc::CTRL_ATTR_FAMILY_NAME as u16, b"wireguard\0");
        let (controller, get) = (libc::GENL_ID_CTRL as u16, libc::CTRL_CMD_GETFAMILY as u8);
        let answer = self.ask(controller, libc::NLM_F_REQUEST as u16, get, &name)?;
        Ok(value_of(find(&answer, libc::CTRL_ATTR_FAMILY_ID as u16)?))
    }
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
        let netlink = Netlink::open(namespace)?;
        Ok(Self {
            family: netlink.wireguard()?,
            netlink,
            name: attribute(NAME, format!("{device}\0").as_bytes()),
        })
    }

    fn set(&self, attributes: &[u8]) -> Outcome<()> {
        let attributes = [&self.name, attributes].concat();
        self.netlink
            .ask(self.family, ACK, SET_DEVICE, &attributes)
            .map(drop)
    }

    fn get(&self) -> Outcome<Vec<u8>> {
        self.netlink.ask(self.family, DUMP, GET_DEVICE, &self.name)
    }

    /// Gives it a key, and says the public one.
    fn key(&self, private: u8, port: u16) -> Outcome<Vec<u8>> {
        let key = attribute(PRIVATE_KEY, &[private; 32]);
        let port = attribute(LISTEN_PORT, &port.to_ne_bytes());
        self.set(&[key, port].concat())?;
        find(&self.get()?, PUBLIC_KEY).map(<[u8]>::to_vec)
    }

    /// A peer, whose address in the tunnel may be any of IPv4.
    fn peer(&self, key: &[u8], endpoint: Option<SocketAddr>) -> Outcome<()> {
        let allowed = [
            attribute(ALLOWED_FAMILY, &(libc::AF_INET as u16).to_ne_bytes()),
            attribute(ALLOWED_ADDRESS, &[0; 4]),
            attribute(ALLOWED_MASK, &[0]),
        ];
        let mut peer = attribute(PEER_KEY, key);
        if let Some(endpoint) = endpoint {
            peer.extend(attribute(PEER_ENDPOINT, &Address::from(endpoint).0));
        }
        peer.extend(nested(PEER_ALLOWED, &nested(0, &allowed.concat())));
        self.set(&nested(PEERS, &nested(0, &peer)))
    }
}

/// `wireguard SERVER,DEVICE CLIENT,DEVICE ADDRESS`: gives both devices keys, and the client the
/// server's address.
pub fn connect(words: &[&str]) -> Outcome<()> {
    let (server, client) = (Side::new(words[0])?, Side::new(words[1])?);
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

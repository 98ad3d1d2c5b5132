// SPDX-License-Identifier: GPL-2.0

//! Traffic in the namespace of the calling thread, over whatever loopback there is.
//!
//! All of it gives up soon: it may meet a device that drops everything, or none.

use guest::{
    random::Random,
    sys::{self, Address},
};
use std::{
    io::{Error, Read, Result, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

/// Nothing takes longer than this, but for what netem delays.
const PATIENCE: Duration = Duration::from_millis(200);

fn localhost(random: &mut Random) -> IpAddr {
    if random.one_in(2) {
        Ipv4Addr::new(127, 0, 0, 1 + random.below(3) as u8).into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    }
}

fn impatient(socket: &impl AsFd) -> Result<()> {
    sys::set_patience(socket, PATIENCE)
}

/// A connection of TCP or SCTP, whose sockets are used alike as far as these calls go.
fn connection(ip: IpAddr, protocol: i32) -> Result<(TcpStream, TcpStream)> {
    let open = || -> Result<OwnedFd> {
        let socket = sys::socket_for(ip, libc::SOCK_STREAM, protocol)?;
        impatient(&socket)?;
        Ok(socket)
    };
    let (client, server) = (open()?, open()?);
    sys::bind(&server, &SocketAddr::new(ip, 0).into())?;
    sys::listen(&server)?;
    let port = sys::name_of(&server)?.port();
    sys::connect(&client, &SocketAddr::new(ip, port).into())?;
    let (server, _) = TcpListener::from(server).accept()?;
    impatient(&server)?;
    Ok((client.into(), server))
}

/// What is written on one end is read at the other.
fn carry(from: &mut TcpStream, to: &mut TcpStream, len: usize) -> Result<()> {
    let mut buffer = vec![b'x'; len];
    from.write_all(&buffer)?;
    to.read_exact(&mut buffer)
}

pub fn tcp(random: &mut Random) -> Result<()> {
    let (mut client, mut server) = connection(localhost(random), libc::IPPROTO_TCP)?;
    for _ in 0..1 + random.below(4) {
        let len = random.pick(&[1, 1000, 20_000, 60_000]);
        carry(&mut client, &mut server, len)?;
        carry(&mut server, &mut client, 100)?;
    }
    Ok(())
}

pub fn sctp(random: &mut Random) -> Result<()> {
    let (mut client, mut server) = connection(localhost(random), libc::IPPROTO_SCTP)?;
    let len = random.pick(&[1, 1000, 20_000]);
    carry(&mut client, &mut server, len)?;
    carry(&mut server, &mut client, 100)
}

/// A connection that stays open, for [`held`].
pub fn hold(random: &mut Random) -> Result<(TcpStream, TcpStream)> {
    connection(localhost(random), libc::IPPROTO_TCP)
}

/// Uses a connection, whatever has become of the devices under it.
pub fn held(pair: &mut (TcpStream, TcpStream)) -> Result<()> {
    // What was lost the last time may come now.
    let mut buffer = [0; 256];
    pair.0.write_all(b"held")?;
    match pair.1.read(&mut buffer)? {
        0 => Err(Error::from_raw_os_error(libc::ECONNRESET)),
        _ => Ok(()),
    }
}

fn udp_pair(ip: IpAddr) -> Result<(UdpSocket, UdpSocket)> {
    let pair = (UdpSocket::bind((ip, 0))?, UdpSocket::bind((ip, 0))?);
    impatient(&pair.1)?;
    pair.0.connect((ip, pair.1.local_addr()?.port()))?;
    Ok(pair)
}

pub fn udp(random: &mut Random) -> Result<()> {
    let (sender, receiver) = udp_pair(localhost(random))?;
    let mut buffer = vec![b'x'; 65_000];
    for _ in 0..1 + random.below(4) {
        let len = random.pick(&[0, 1, 1000, 9000, 60_000]);
        sender.send(&buffer[..len])?;
        receiver.recv(&mut buffer)?;
    }
    Ok(())
}

/// Sends and goes: the packets find no socket any more, and perhaps no namespace.
pub fn forget(random: &mut Random) -> Result<()> {
    let ip = localhost(random);
    let (sender, receiver) = udp_pair(ip)?;
    let data = vec![b'x'; random.pick(&[10, 1400, 30_000])];
    for _ in 0..20 {
        sender.send(&data)?;
    }
    drop(receiver);
    if random.one_in(2) {
        let (mut client, server) = connection(ip, libc::IPPROTO_TCP)?;
        client.write_all(&data)?;
        drop(server);
    }
    Ok(())
}

pub fn icmp(random: &mut Random) -> Result<()> {
    let ip = localhost(random);
    let (protocol, request) = match ip {
        IpAddr::V4(_) => (libc::IPPROTO_ICMP, 8),
        IpAddr::V6(_) => (libc::IPPROTO_ICMPV6, 128),
    };
    // The kernel sees to identifier and checksum of such a socket.
    let socket = sys::socket_for(ip, libc::SOCK_DGRAM, protocol)?;
    impatient(&socket)?;
    sys::connect(&socket, &Address::from(SocketAddr::new(ip, 0)))?;
    // As far as these calls go, one of UDP.
    let socket = UdpSocket::from(socket);
    let mut packet = vec![0; random.pick(&[8, 64, 1500, 20_000])];
    packet[0] = request;
    socket.send(&packet)?;
    socket.recv(&mut packet).map(drop)
}

/// To a group, by way of the device.
pub fn multicast(random: &mut Random, index: u32) -> Result<()> {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let [sender, receiver] = [UdpSocket::bind("0.0.0.0:0")?, UdpSocket::bind("0.0.0.0:0")?];
    impatient(&receiver)?;
    // struct ip_mreqn
    let request = [group.octets(), [0; 4], index.to_ne_bytes()].concat();
    sys::set_bytes(
        &receiver,
        libc::IPPROTO_IP,
        libc::IP_ADD_MEMBERSHIP,
        &request,
    )?;
    sys::set_bytes(&sender, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)?;
    if random.one_in(2) {
        // A membership of IPv6 beside it, for its own list on the device.
        let six = UdpSocket::bind("[::]:0")?;
        six.join_multicast_v6(&Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x99), index)?;
    }
    sender.send_to(b"to a group", (group, receiver.local_addr()?.port()))?;
    receiver.recv(&mut [0; 16]).map(drop)
}

// SPDX-License-Identifier: GPL-2.0

//! What an address is good for: `sock --address WHAT ARGUMENT...`, for `tests/address`, whose
//! namespaces it enters. Prints what was found, and fails with a line that says what went wrong.
//!
//! An end of a connection is `NAMESPACE,ADDRESS[,DEVICE]`: where the socket is made, what it is
//! bound to (`-`: to no address), and by `SO_BINDTODEVICE`.

use crate::{
    env::Counters,
    icmp::internet_checksum,
    msg::{self, Control},
    net::noise,
    sys::{self, Address},
    wireguard,
};
use guest::netns::NetNs;
use std::{
    env::var_os,
    fs,
    io::{Error, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
    thread,
    time::{Duration, Instant},
};

pub type Outcome<T> = Result<T, String>;

/// Says what it was that failed.
pub trait What<T> {
    fn what(self, what: &str) -> Outcome<T>;
}

impl<T> What<T> for Result<T, Error> {
    fn what(self, what: &str) -> Outcome<T> {
        self.map_err(|e| format!("{what}: {e}"))
    }
}

/// What does not come within this time does not come.
fn patience() -> Duration {
    Duration::from_secs(match var_os("KSFT_MACHINE_SLOW") {
        Some(_) => 20,
        None => 3,
    })
}

/// What may be lost has this time to come.
const MOMENT: Duration = Duration::from_millis(300);
/// The longest datagram that is sent here.
const LONG: usize = 8000;
/// An IP protocol for experiments.
const EXPERIMENT: i32 = 253;
/// `SOL_MPTCP` and `MPTCP_INFO`.
const MPTCP: (i32, i32) = (284, 1);

/// One end.
#[derive(Clone)]
struct End {
    namespace: String,
    ip: Option<IpAddr>,
    device: Option<String>,
}

/// What sockets are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Udp,
    Sctp,
    Mptcp,
    Raw,
    Ping,
}

impl Kind {
    fn parse(name: &str) -> Outcome<Self> {
        Ok(match name {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "sctp" => Self::Sctp,
            "mptcp" => Self::Mptcp,
            "raw" => Self::Raw,
            "ping" => Self::Ping,
            _ => return Err(format!("no kind of socket: '{name}'")),
        })
    }

    /// Type and protocol of the socket.
    fn socket(self, ipv4: bool) -> (i32, i32) {
        match self {
            Self::Tcp => (libc::SOCK_STREAM, 0),
            Self::Udp => (libc::SOCK_DGRAM, 0),
            Self::Sctp => (libc::SOCK_STREAM, libc::IPPROTO_SCTP),
            Self::Mptcp => (libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
            Self::Raw => (libc::SOCK_RAW, EXPERIMENT),
            Self::Ping if ipv4 => (libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
            Self::Ping => (libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6),
        }
    }
}

fn ip(text: &str) -> Outcome<IpAddr> {
    text.parse().map_err(|_| format!("no address: '{text}'"))
}

fn unspecified(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Runs the closure in that namespace.
pub fn inside<T: Send>(namespace: &str, run: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
    thread::scope(|s| {
        s.spawn(|| {
            NetNs::open(&format!("/run/netns/{namespace}"))
                .and_then(|ns| ns.enter())
                .what(namespace)?;
            run()
        })
        .join()
        .expect("a thread of this program died")
    })
}

fn set_patience(socket: &OwnedFd, time: Duration) -> Outcome<()> {
    sys::set_patience(socket, time).what("setsockopt()")
}

impl End {
    fn parse(text: &str) -> Outcome<Self> {
        let mut words = text.split(',');
        let (Some(namespace), Some(address)) = (words.next(), words.next()) else {
            return Err(format!("no end of a connection: '{text}'"));
        };
        Ok(Self {
            namespace: namespace.into(),
            ip: match address {
                "-" => None,
                _ => Some(ip(address)?),
            },
            device: words.next().map(Into::into),
        })
    }

    /// A socket of the family of `to`, bound as the end says.
    fn open(&self, kind: Kind, to: IpAddr) -> Outcome<OwnedFd> {
        inside(&self.namespace, || {
            let (of, protocol) = kind.socket(to.is_ipv4());
            if kind == Kind::Ping {
                // All users may.
                fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
                    .what("ping_group_range")?;
            }
            let socket = sys::socket_for(to, of, protocol).what("socket()")?;
            set_patience(&socket, patience())?;
            if let Some(device) = &self.device {
                sys::bind_to_device(&socket, device).what("SO_BINDTODEVICE")?;
            }
            let address = self.ip.unwrap_or(unspecified(to));
            // A ping socket has no number before it is bound or connected.
            if self.ip.is_some() || kind != Kind::Ping {
                sys::bind(&socket, &SocketAddr::from((address, 0)).into())
                    .what(&format!("bind() to {address}"))?;
            }
            Ok(socket)
        })
    }
}

/// Who is expected as the source.
fn expect_source(found: IpAddr, wanted: Option<IpAddr>) -> Outcome<()> {
    match wanted {
        Some(ip) if ip != found => Err(format!("comes from {found}, not from {ip}")),
        _ => Ok(()),
    }
}

/// The address in a C structure.
pub fn address_in(address: &Address) -> Outcome<IpAddr> {
    let found = address.as_ip().ok_or("an address of another family")?;
    Ok(found.ip())
}

/// A connection: the client's end and the server's.
fn streams(
    kind: Kind,
    server: &End,
    client: &End,
    to: IpAddr,
    seen: Option<IpAddr>,
) -> Outcome<(TcpStream, TcpStream)> {
    let listening = server.open(kind, to)?;
    sys::listen(&listening).what("listen()")?;
    let port = sys::name_of(&listening).what("getsockname()")?.port();
    let connecting = client.open(kind, to)?;
    sys::connect(&connecting, &SocketAddr::from((to, port)).into())
        .what(&format!("connect() to {to}"))?;
    let (accepted, from) = TcpListener::from(listening).accept().what("accept()")?;
    expect_source(from.ip(), seen)?;
    let accepted = OwnedFd::from(accepted);
    set_patience(&accepted, patience())?;
    if kind == Kind::Mptcp {
        // Refused once it has fallen back to TCP.
        sys::get::<u64>(&connecting, MPTCP.0, MPTCP.1).what("MPTCP_INFO")?;
    }
    Ok((connecting.into(), accepted.into()))
}

/// Both ends send and receive that much.
fn both_ways(client: &TcpStream, server: &TcpStream, len: usize) -> Outcome<()> {
    for (mut from, mut to) in [(client, server), (server, client)] {
        let (data, mut got) = (noise(len, 1), vec![0; len]);
        from.write_all(&data).what("write()")?;
        to.read_exact(&mut got).what("read()")?;
        if data != got {
            return Err("other bytes than were sent".into());
        }
    }
    Ok(())
}

/// A datagram there and one back, the server seeing the client's address.
fn datagrams(
    kind: Kind,
    server: &End,
    client: &End,
    to: IpAddr,
    seen: Option<IpAddr>,
) -> Outcome<()> {
    let server = server.open(kind, to)?;
    let port = sys::name_of(&server).what("getsockname()")?.port();
    let client = client.open(kind, to)?;
    // It gets answers from there only.
    sys::connect(&client, &SocketAddr::from((to, port)).into())
        .what(&format!("connect() to {to}"))?;
    msg::send(&client, b"question", None, &[], 0).what("send()")?;
    let got = receive(&server, kind, to, b"question")?;
    expect_source(address_in(&got.from)?, seen)?;
    msg::send(&server, b"answer", Some(&got.from), &[], 0).what("send() of the answer")?;
    receive(&client, kind, to, b"answer")?;
    Ok(())
}

/// Waits for these bytes. A raw socket hears what is for others at its address too.
fn receive(socket: &OwnedFd, kind: Kind, to: IpAddr, wanted: &[u8]) -> Outcome<msg::Received> {
    let header = if kind == Kind::Raw && to.is_ipv4() {
        20
    } else {
        0
    };
    loop {
        let what = format!("waiting for the {}", String::from_utf8_lossy(wanted));
        let got = msg::receive(socket, 0).what(&what)?;
        if got.data.get(header..) == Some(wanted) {
            return Ok(got);
        }
    }
}

/// A ping. Returns the milliseconds that it took.
fn ping(client: &End, to: IpAddr) -> Outcome<u128> {
    let start = Instant::now();
    let socket = client.open(Kind::Ping, to)?;
    let (request, reply) = if to.is_ipv4() { (8, 0) } else { (128, 129) };
    let mut packet = vec![request, 0, 0, 0, 0, 0, 0, 7];
    packet.extend(noise(56, 1));
    if to.is_ipv4() {
        let sum = internet_checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
    }
    msg::send(
        &socket,
        &packet,
        Some(&SocketAddr::from((to, 0)).into()),
        &[],
        0,
    )
    .what("send() of a ping")?;
    let got = msg::receive(&socket, 0).what("waiting for the reply")?;
    expect_source(address_in(&got.from)?, Some(to))?;
    if got.data[0] != reply {
        return Err(format!("ICMP of type {} for a reply", got.data[0]));
    }
    Ok(start.elapsed().as_millis())
}

/// `exchange KIND[,KIND]... SERVER CLIENT [TO [SEEN]]`: the client asks at TO, and the server,
/// which sees it as SEEN, answers.
fn exchange(words: &[&str]) -> Outcome<()> {
    let (server, client) = (End::parse(words[1])?, End::parse(words[2])?);
    let to = match words.get(3) {
        Some(to) => ip(to)?,
        None => server.ip.ok_or("where to?")?,
    };
    let seen = match words.get(4) {
        Some(seen) => Some(ip(seen)?),
        None => client.ip,
    };
    for name in words[0].split(',') {
        let kind = Kind::parse(name)?;
        match kind {
            Kind::Tcp | Kind::Sctp | Kind::Mptcp => streams(kind, &server, &client, to, seen)
                .and_then(|(a, b)| both_ways(&a, &b, 10_000)),
            Kind::Udp | Kind::Raw => datagrams(kind, &server, &client, to, seen),
            Kind::Ping => ping(&client, to).map(drop),
        }
        .map_err(|e| format!("{name} to {to}: {e}"))?;
    }
    Ok(())
}

/// A server that is bound to no address, a client, and the server's address.
fn server_and_client(words: &[&str]) -> Outcome<(End, End, IpAddr)> {
    let (mut server, client) = (End::parse(words[0])?, End::parse(words[1])?);
    let to = server.ip.take().ok_or("where to?")?;
    Ok((server, client, to))
}

/// `pings LEAST CLIENT TO...`: each takes so many milliseconds at least.
fn pings(words: &[&str]) -> Outcome<()> {
    let least: u128 = words[0].parse().map_err(|_| "how long?")?;
    let client = End::parse(words[1])?;
    for to in &words[2..] {
        let took = ping(&client, ip(to)?).map_err(|e| format!("ping of {to}: {e}"))?;
        if took < least {
            return Err(format!("ping of {to}: {took} ms"));
        }
    }
    Ok(())
}

/// `counted DEVICE[,OTHER] CLIENT TO...`: the device counts each ping and the reply, and the other
/// one nothing.
fn counted(words: &[&str]) -> Outcome<()> {
    let (device, other) = match words[0].split_once(',') {
        Some((device, other)) => (device, Some(other)),
        None => (words[0], None),
    };
    let client = End::parse(words[1])?;
    let counters = |device: &str| inside(&client.namespace, || Ok(Counters::of(device)));
    for to in &words[2..] {
        let before = counters(device)?;
        let before_other = other.map(counters).transpose()?;
        ping(&client, ip(to)?).map_err(|e| format!("ping of {to}: {e}"))?;
        let counted = counters(device)?.since(before);
        if counted.rx.0 != 2 || counted.tx.0 != 2 {
            return Err(format!("ping of {to}: {device} counts {counted:?}"));
        }
        if before_other != other.map(counters).transpose()? {
            return Err(format!("ping of {to}: the other device counts something"));
        }
    }
    Ok(())
}

/// `across SERVER CLIENT COMMAND...`: a connection of TCP carries on after the command.
fn across(words: &[&str]) -> Outcome<()> {
    let (server, client, to) = server_and_client(words)?;
    let (a, b) = streams(Kind::Tcp, &server, &client, to, client.ip)?;
    both_ways(&a, &b, 10_000)?;
    let status = Command::new(words[2]).args(&words[3..]).status();
    if !status.what(words[2])?.success() {
        return Err(format!("{} failed", words[2]));
    }
    both_ways(&a, &b, 10_000).map_err(|e| format!("after {}: {e}", words[2..].join(" ")))
}

/// `arrives SERVER CLIENT`: a datagram of a client that is not connected does.
fn arrives(words: &[&str]) -> Outcome<()> {
    let (server, client, to) = server_and_client(words)?;
    let server = server.open(Kind::Udp, to)?;
    let port = sys::name_of(&server).what("getsockname()")?.port();
    let client = client.open(Kind::Udp, to)?;
    let to = SocketAddr::from((to, port)).into();
    msg::send(&client, b"hello", Some(&to), &[], 0).what("send()")?;
    msg::receive(&server, 0)
        .what("waiting for a datagram")
        .map(drop)
}

/// `pktinfo SERVER CLIENT`: a server that is bound to no address answers from the one that was
/// asked, as it was told by `IP_PKTINFO` or `IPV6_PKTINFO`.
fn pktinfo(words: &[&str]) -> Outcome<()> {
    let (server, client, to) = server_and_client(words)?;
    let server = server.open(Kind::Udp, to)?;
    let (level, name, wanted) = match to {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO, libc::IP_PKTINFO),
        IpAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_PKTINFO,
            libc::IPV6_RECVPKTINFO,
        ),
    };
    sys::set(&server, level, wanted, 1).what("setsockopt()")?;
    let port = sys::name_of(&server).what("getsockname()")?.port();
    let client = client.open(Kind::Udp, to)?;
    sys::connect(&client, &SocketAddr::from((to, port)).into()).what("connect()")?;
    msg::send(&client, b"question", None, &[], 0).what("send()")?;
    let got = receive(&server, Kind::Udp, to, b"question")?;
    let info = got.control(level, name).ok_or("no control message")?;
    // The address only: the device it came by is not to bind the answer.
    let info = match to {
        // struct in_pktinfo: device, source, and the address that was asked.
        IpAddr::V4(_) => [&[0; 4], &info[8..], &info[8..]].concat(),
        // struct in6_pktinfo: address and device.
        IpAddr::V6(_) => [&info[..16], &[0; 4]].concat(),
    };
    let info = Control(level, name, info);
    msg::send(&server, b"answer", Some(&got.from), &[info], 0).what("send() of the answer")?;
    receive(&client, Kind::Udp, to, b"answer").map(drop)
}

/// `mss SERVER CLIENT`: prints the size of segments at both ends, after data was exchanged.
fn segment_size(words: &[&str]) -> Outcome<()> {
    let (server, client, to) = server_and_client(words)?;
    let (a, b) = streams(Kind::Tcp, &server, &client, to, client.ip)?;
    both_ways(&a, &b, 30_000)?;
    let [a, b] = [a, b].map(|s| sys::get::<i32>(&s, libc::IPPROTO_TCP, libc::TCP_MAXSEG));
    println!("{} {}", a.what("TCP_MAXSEG")?, b.what("TCP_MAXSEG")?);
    Ok(())
}

/// A connected pair of UDP sockets: the client's and the server's.
fn udp_pair(words: &[&str]) -> Outcome<(OwnedFd, OwnedFd, IpAddr)> {
    let (server, client, to) = server_and_client(words)?;
    let server = server.open(Kind::Udp, to)?;
    let port = sys::name_of(&server).what("getsockname()")?.port();
    let client = client.open(Kind::Udp, to)?;
    sys::connect(&client, &SocketAddr::from((to, port)).into()).what("connect()")?;
    Ok((client, server, to))
}

/// The kernel knows that it is too long for the path.
fn is_too_long(error: &Error) -> bool {
    error.raw_os_error() == Some(libc::EMSGSIZE)
}

/// `long SERVER CLIENT`: datagrams of 8000 bytes arrive, but for the first ones, from which the
/// sender learns the MTU of the path. Prints how many did not.
fn long(words: &[&str]) -> Outcome<()> {
    let (client, server, _) = udp_pair(words)?;
    set_patience(&server, MOMENT)?;
    let (client, server) = (UdpSocket::from(client), UdpSocket::from(server));
    let mut got = vec![0; LONG + 1];
    let mut lost = 0;
    let mut arrived = 0;
    while arrived < 5 {
        let data = noise(LONG, lost + arrived);
        match client.send(&data) {
            Err(e) if !is_too_long(&e) => return Err(format!("send(): {e}")),
            _ => {}
        }
        match server.recv(&mut got) {
            Ok(len) if got[..len] == data => arrived += 1,
            Ok(len) => return Err(format!("{len} other bytes")),
            Err(_) if arrived > 0 => return Err("one is lost after others arrived".into()),
            Err(_) => lost += 1,
        }
        if lost == 5 {
            return Err(format!("{lost} are lost"));
        }
    }
    println!("{lost}");
    Ok(())
}

/// A datagram is not to be fragmented.
fn dont_fragment(socket: &OwnedFd, to: IpAddr) -> Outcome<()> {
    let options: &[_] = match to {
        IpAddr::V4(_) => &[(
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_DO,
        )],
        IpAddr::V6(_) => &[
            (
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_DO,
            ),
            (libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1),
        ],
    };
    for &(level, name, value) in options {
        sys::set(socket, level, name, value).what("setsockopt()")?;
    }
    Ok(())
}

/// `whole SERVER CLIENT LEN`: prints what becomes of a datagram that is not to be fragmented:
/// `arrives`, or `EMSGSIZE`, of this or another one soon after, or `lost`.
fn whole(words: &[&str]) -> Outcome<()> {
    let (client, server, to) = udp_pair(words)?;
    let len: usize = words[2].parse().map_err(|_| "how long?")?;
    dont_fragment(&client, to)?;
    set_patience(&server, MOMENT)?;
    let (client, server) = (UdpSocket::from(client), UdpSocket::from(server));
    for _ in 0..5 {
        match client.send(&noise(len, 1)) {
            Err(e) if is_too_long(&e) => {
                println!("EMSGSIZE");
                return Ok(());
            }
            Err(e) => return Err(format!("send(): {e}")),
            Ok(_) => {}
        }
        if server.recv(&mut vec![0; len]).is_ok() {
            println!("arrives");
            return Ok(());
        }
    }
    println!("lost");
    Ok(())
}

/// `probe CLIENT TO TTL`: prints the address that the ICMP error comes from.
fn probe(words: &[&str]) -> Outcome<()> {
    let (client, to) = (End::parse(words[0])?, ip(words[1])?);
    let ttl: i32 = words[2].parse().map_err(|_| "how far?")?;
    let socket = client.open(Kind::Udp, to)?;
    let (level, hops, errors) = match to {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_RECVERR),
        IpAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_UNICAST_HOPS,
            libc::IPV6_RECVERR,
        ),
    };
    sys::set(&socket, level, hops, ttl).what("setsockopt()")?;
    sys::set(&socket, level, errors, 1).what("setsockopt()")?;
    // The port that traceroute begins with.
    let to = SocketAddr::from((to, 33434));
    msg::send(&socket, b"probe", Some(&to.into()), &[], 0).what("send()")?;
    // Ends with the error that was received.
    match msg::receive(&socket, 0) {
        Ok(_) => return Err("an answer".into()),
        Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => return Err("no ICMP error".into()),
        Err(_) => {}
    }
    let got = msg::receive(&socket, libc::MSG_ERRQUEUE).what("error queue")?;
    let report = got.report().ok_or("no control message")?;
    println!("{}", address_in(&report.offender)?);
    Ok(())
}

/// What one of them is done by.
type Function = fn(&[&str]) -> Outcome<()>;

/// `sock --address WHAT ARGUMENT...`
pub fn run(words: &[String]) -> Outcome<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((&what, words)) = words.split_first() else {
        return Err("what?".into());
    };
    let (least, function): (usize, Function) = match what {
        "exchange" => (3, exchange),
        "pings" => (3, pings),
        "counted" => (3, counted),
        "across" => (3, across),
        "arrives" => (2, arrives),
        "pktinfo" => (2, pktinfo),
        "mss" => (2, segment_size),
        "long" => (2, long),
        "whole" => (3, whole),
        "probe" => (3, probe),
        "wireguard" => (3, wireguard::connect),
        "wireguard-peer" => (1, wireguard::peer),
        _ => return Err(format!("what is '{what}'?")),
    };
    if words.len() < least {
        return Err(format!("{what}: {} of {least} arguments", words.len()));
    }
    function(words)
}

/// The end of a WireGuard tunnel: a namespace and a device there.
pub fn namespace_and_device(text: &str) -> Outcome<(&str, &str)> {
    text.split_once(',')
        .ok_or_else(|| format!("no device in a namespace: '{text}'"))
}

// SPDX-License-Identifier: GPL-2.0

//! A ping-pong of one byte, over TCP, UDP and a Unix domain socket, with the time of each.

use crate::{command::own, place::Place, Result};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
    thread,
    time::Instant,
};

const PORT: u16 = 7007;
const PATH: &str = "/run/rust_lo-bench";

/// Over what.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Proto {
    /// TCP, without Nagle's delay.
    Tcp,
    /// UDP.
    Udp,
    /// A Unix stream socket: what no loopback can reach.
    Unix,
}

/// The client.
#[derive(Args)]
pub struct Ping {
    proto: Proto,
    address: IpAddr,
    count: usize,
}

/// What it took, in nanoseconds.
#[derive(Serialize, Deserialize)]
pub struct Times {
    /// Per round trip, over all.
    pub mean: f64,
    /// The 50th, 99th and 99.9th percentile.
    pub percentiles: [f64; 3],
}

fn back(mut stream: impl Read + Write) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte), Ok(1)) && stream.write_all(&byte).is_ok() {}
}

/// Serves until it is killed.
pub fn serve() -> Result {
    // One socket for both families.
    let tcp = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT))?;
    let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT))?;
    // The path is one for all namespaces; the last to serve is as good as any.
    let _ = fs::remove_file(PATH);
    let unix = UnixListener::bind(PATH)?;
    thread::spawn(move || loop {
        let mut byte = [0];
        if let Ok((n, from)) = udp.recv_from(&mut byte) {
            // A client that is gone is its own affair.
            let _ = udp.send_to(&byte[..n], from);
        }
    });
    thread::spawn(move || unix.incoming().flatten().for_each(back));
    for stream in tcp.incoming().flatten() {
        stream.set_nodelay(true)?;
        back(stream);
    }
    Ok(())
}

impl Ping {
    /// Asks, and prints [`Times`].
    pub fn run(&self) -> Result {
        let times = match self.proto {
            Proto::Tcp => {
                let mut stream = TcpStream::connect((self.address, PORT))?;
                stream.set_nodelay(true)?;
                self.time(|| once(&mut stream))?
            }
            Proto::Unix => {
                let mut stream = UnixStream::connect(PATH)?;
                self.time(|| once(&mut stream))?
            }
            Proto::Udp => {
                let any: IpAddr = match self.address {
                    IpAddr::V4(_) => [0; 4].into(),
                    IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect((self.address, PORT))?;
                self.time(|| {
                    socket.send(&[1])?;
                    Ok(socket.recv(&mut [0]).map(drop)?)
                })?
            }
        };
        println!("{}", serde_json::to_string(&times)?);
        Ok(())
    }

    fn time(&self, mut once: impl FnMut() -> Result) -> Result<Times> {
        for _ in 0..self.count / 10 {
            once()?;
        }
        let mut each = Vec::with_capacity(self.count);
        let start = Instant::now();
        for _ in 0..self.count {
            let start = Instant::now();
            once()?;
            each.push(start.elapsed().as_nanos() as f64);
        }
        let mean = start.elapsed().as_nanos() as f64 / self.count as f64;
        each.sort_by(f64::total_cmp);
        let at = |part: f64| each[((each.len() - 1) as f64 * part) as usize];
        Ok(Times {
            mean,
            percentiles: [at(0.5), at(0.99), at(0.999)],
        })
    }
}

fn once(stream: &mut (impl Read + Write)) -> Result {
    stream.write_all(&[1])?;
    Ok(stream.read_exact(&mut [0])?)
}

/// The ping-pong between a client and the server of a place.
pub fn run(place: &Place, proto: Proto, v6: bool, count: usize) -> Result<Times> {
    let proto = match proto {
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Unix => "unix",
    };
    let text = place.client(&[
        &own()?,
        "ping",
        proto,
        place.address(v6),
        &count.to_string(),
    ])?;
    Ok(serde_json::from_str(&text)?)
}

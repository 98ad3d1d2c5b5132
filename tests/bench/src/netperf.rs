// SPDX-License-Identifier: GPL-2.0

//! netperf, a fixed amount of work at a time, so that each run does the same.

use crate::{place::Place, Result};

/// What netperf does.
#[derive(Clone, Copy)]
pub enum Test {
    /// So many transactions of a byte each way.
    UdpRr(u32),
    /// The same over TCP.
    TcpRr(u32),
    /// A connection for each.
    TcpCrr(u32),
    /// So many sends of so many bytes.
    TcpStream(u32, u32),
    /// The same over UDP. What does not fit into the receiver's socket is lost there.
    UdpStream(u32, u32),
}

impl Test {
    /// The name in tables, with the size in bytes of a send.
    pub fn name(self, v6: bool) -> String {
        let ip = if v6 { "IPv6" } else { "IPv4" };
        match self {
            Test::UdpRr(_) => format!("UDP_RR {ip}"),
            Test::TcpRr(_) => format!("TCP_RR {ip}"),
            Test::TcpCrr(_) => format!("TCP_CRR {ip}"),
            Test::TcpStream(_, size) => format!("TCP_STREAM {size} B {ip}"),
            Test::UdpStream(_, size) => format!("UDP_STREAM {size} B {ip}"),
        }
    }

    /// What it takes for one.
    pub fn unit(self) -> &'static str {
        match self {
            Test::TcpStream(..) | Test::UdpStream(..) => "instructions per send",
            _ => "instructions per transaction",
        }
    }

    /// More of it.
    pub fn times(self, n: u32) -> Self {
        match self {
            Test::UdpRr(count) => Test::UdpRr(count * n),
            Test::TcpRr(count) => Test::TcpRr(count * n),
            Test::TcpCrr(count) => Test::TcpCrr(count * n),
            Test::TcpStream(count, size) => Test::TcpStream(count * n, size),
            Test::UdpStream(count, size) => Test::UdpStream(count * n, size),
        }
    }

    /// Nanoseconds for one transaction or one send; where time counts instructions, those.
    pub fn run(self, place: &Place, v6: bool) -> Result<f64> {
        let (test, amount, size) = match self {
            Test::UdpRr(count) => ("UDP_RR", count, None),
            Test::TcpRr(count) => ("TCP_RR", count, None),
            Test::TcpCrr(count) => ("TCP_CRR", count, None),
            Test::TcpStream(count, size) => ("TCP_STREAM", count * size, Some(size)),
            Test::UdpStream(count, size) => ("UDP_STREAM", count * size, Some(size)),
        };
        // A length below 0 is a number of transactions, or of bytes.
        let amount = format!("-{amount}");
        let mut argv = vec![
            "netperf",
            "-H",
            place.address(v6),
            "-t",
            test,
            "-P",
            "0",
            "-l",
            &amount,
            "--",
        ];
        let bytes;
        let key = if let Some(size) = size {
            bytes = size.to_string();
            argv.extend(["-m", &bytes, "-k", "LOCAL_SEND_THROUGHPUT"]);
            "LOCAL_SEND_THROUGHPUT="
        } else {
            argv.extend(["-k", "THROUGHPUT"]);
            "THROUGHPUT="
        };
        let text = place.client(&argv)?;
        let rate: f64 = text
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .ok_or_else(|| format!("netperf {test} says: {text}"))?
            .parse()?;
        // Transactions per second, or 10^6 bits per second.
        Ok(match size {
            None => 1e9 / rate,
            Some(size) => f64::from(size) * 8e3 / rate,
        })
    }
}

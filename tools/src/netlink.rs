// SPDX-License-Identifier: GPL-2.0

//! Asking the kernel by netlink, and what it answers.

use std::io;

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{Socket, SocketAddr};

use crate::error::{Error, Result};
use crate::uapi::*;
use crate::wire::*;

/// A connection to the kernel, in the namespace it was made in.
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

/// An object of a dump.
pub struct Reply {
    /// Type of the message.
    pub kind: u16,
    /// What it says.
    pub payload: Vec<u8>,
}

/// The reason the kernel gives, in words.
pub fn reason(code: i32) -> String {
    match code {
        1 => "not permitted: this needs CAP_NET_ADMIN".into(),
        _ => {
            let text = io::Error::from_raw_os_error(code).to_string();
            text.split(" (os error").next().unwrap_or_default().into()
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::about("netlink", error)
}

impl Netlink {
    /// Connects to the part of the kernel that speaks this protocol.
    pub fn open(protocol: isize) -> Result<Self> {
        let mut socket = Socket::new(protocol).map_err(broken)?;
        socket.bind_auto().map_err(broken)?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(broken)?;
        // Both only make answers shorter; old kernels lack them.
        let _ = socket.set_netlink_get_strict_chk(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// A request with the number that its answers will have.
    pub fn number(&mut self, request: Request) -> (u32, Vec<u8>) {
        self.sequence += 1;
        (self.sequence, request.finish(self.sequence))
    }

    /// Sends finished requests.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        self.socket.send(bytes, 0).map(drop).map_err(broken)
    }

    /// Receives one datagram; calls `each` with type, flags, sequence number and payload of its messages.
    pub fn receive(&self, mut each: impl FnMut(u16, u16, u32, &[u8])) -> Result<()> {
        let (datagram, _) = loop {
            match self.socket.recv_from_full() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => break other.map_err(broken)?,
            }
        };
        let mut rest = &datagram[..];
        while rest.len() >= 16 {
            let message = NetlinkBuffer::new_checked(rest).map_err(broken)?;
            each(
                message.message_type(),
                message.flags(),
                message.sequence_number(),
                message.payload(),
            );
            rest = rest
                .get((message.length() as usize).next_multiple_of(4)..)
                .unwrap_or(&[]);
        }
        Ok(())
    }

    /// Sends one request; its replies, or the error number.
    pub fn ask(&mut self, request: Request) -> Result<std::result::Result<Vec<Reply>, i32>> {
        let (sequence, bytes) = self.number(request);
        self.send(&bytes)?;
        let mut replies = Vec::new();
        let (mut end, mut interrupted) = (None, false);
        while end.is_none() {
            self.receive(|kind, flags, seq, payload| {
                if seq != sequence {
                    return;
                }
                let code = || {
                    payload
                        .get(..4)
                        .map_or(0, |b| -i32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
                };
                if kind == NLMSG_ERROR || kind == NLMSG_DONE {
                    end = end.or(Some(code()));
                } else {
                    replies.push(Reply {
                        kind,
                        payload: payload.to_vec(),
                    });
                }
                interrupted |= flags & NLM_F_DUMP_INTR != 0;
            })?;
        }
        Ok(match end {
            Some(0) | None if interrupted => Err(EINTR),
            Some(0) | None => Ok(replies),
            Some(code) => Err(code),
        })
    }

    /// Asks for all objects of a sort; again if they changed meanwhile.
    pub fn dump(&mut self, request: impl Fn() -> Request) -> Result<Vec<Reply>> {
        // No such family or table: nothing there.
        Ok(self.dump_known(request)?.unwrap_or_default())
    }

    /// The same, or nothing if the kernel does not know the sort.
    pub fn dump_known(&mut self, request: impl Fn() -> Request) -> Result<Option<Vec<Reply>>> {
        for _ in 0..50 {
            match self.ask(request())? {
                Ok(replies) => return Ok(Some(replies)),
                Err(EINTR | EAGAIN) => std::thread::sleep(std::time::Duration::from_millis(2)),
                Err(2 | 95 | 97) => return Ok(None),
                Err(code) => return Err(broken(reason(code))),
            }
        }
        Err(broken("the tables do not stop changing"))
    }
}

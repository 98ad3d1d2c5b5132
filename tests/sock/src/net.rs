// SPDX-License-Identifier: GPL-2.0

//! Sockets of the standard library, as most tests want them.

use crate::env::Env;
use guest::random::Random;
use std::{
    io::{ErrorKind, Result},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

/// Waiting longer than this means that nothing comes.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What should not come has this time to come.
pub const MOMENT: Duration = Duration::from_millis(300);

/// A listening socket and the address at which it is reached.
pub fn listener(env: &Env) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((env.ip, 0)).expect("cannot listen");
    let port = listener.local_addr().expect("no address").port();
    (listener, (env.ip, port).into())
}

/// Both ends of a connection: that of the client, that of the server.
pub fn tcp_pair(env: &Env) -> (TcpStream, TcpStream) {
    let (listener, to) = listener(env);
    let client = TcpStream::connect(to).expect("cannot connect");
    let (server, peer) = listener.accept().expect("cannot accept");
    assert_eq!(client.local_addr().expect("no address"), peer);
    assert_eq!(client.peer_addr().expect("no address"), to);
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(PATIENCE)).expect("no timeout");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("no timeout");
    }
    (client, server)
}

/// A UDP socket and the address at which it is reached.
pub fn udp(env: &Env) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((env.ip, 0)).expect("cannot bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("no timeout");
    let port = socket.local_addr().expect("no address").port();
    (socket, (env.ip, port).into())
}

/// Two UDP sockets, the first connected to the second, and the address of the second.
pub fn udp_pair(env: &Env) -> (UdpSocket, UdpSocket, SocketAddr) {
    let (sender, _) = udp(env);
    let (receiver, to) = udp(env);
    sender.connect(to).expect("cannot connect");
    (sender, receiver, to)
}

/// Nothing arrives at the socket.
pub fn expect_silence(socket: &UdpSocket) {
    let mut buffer = [0; 64];
    socket.set_read_timeout(Some(MOMENT)).expect("no timeout");
    assert!(would_block(socket.recv(&mut buffer)), "something arrived");
    socket.set_read_timeout(Some(PATIENCE)).expect("no timeout");
}

/// There was nothing to be had in time.
pub fn would_block<T>(result: Result<T>) -> bool {
    result.is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
}

/// The C error code of a call that should fail.
pub fn errno<T>(result: Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(e) => e.raw_os_error().unwrap_or(-1),
    }
}

/// Bytes without a pattern that a shifted copy would match.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    Random::new(seed).noise(len)
}

/// FNV-1a, of words.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf29ce484222325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x100000001b3)
    })
}

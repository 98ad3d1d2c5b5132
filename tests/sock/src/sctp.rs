// SPDX-License-Identifier: GPL-2.0

//! SCTP, whose checksums the device is said to do.

use crate::{
    env::Env,
    net::{noise, PATIENCE},
    skip, sys,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::Command,
};

fn open(env: &Env) -> Option<OwnedFd> {
    sys::socket_for(env.ip, libc::SOCK_STREAM, libc::IPPROTO_SCTP).ok()
}

pub fn echo(env: &Env) {
    // A missing module is seen below.
    let _ = Command::new("modprobe").args(["-q", "sctp"]).status();
    let (Some(client), Some(server)) = (open(env), open(env)) else {
        skip("the kernel has no SCTP");
    };
    sys::bind(&server, &SocketAddr::from((env.ip, 0)).into()).unwrap();
    sys::listen(&server).unwrap();
    let port = sys::name_of(&server).unwrap().port();
    sys::connect(&client, &SocketAddr::from((env.ip, port)).into()).unwrap();
    // As far as these calls go, one-to-one SCTP sockets are used as those of TCP.
    let mut client = TcpStream::from(client);
    let (mut server, _) = TcpListener::from(server).accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    for len in [1, 100, 5000, 50_000] {
        let (data, mut back) = (noise(len, 1), vec![0; len]);
        client.write_all(&data).unwrap();
        server.read_exact(&mut back).unwrap();
        server.write_all(&back).unwrap();
        back.fill(0);
        client.read_exact(&mut back).unwrap();
        assert_eq!(data, back);
    }
    drop(client);
    assert_eq!(
        server.read(&mut [0]).unwrap(),
        0,
        "no end of file after close"
    );
}

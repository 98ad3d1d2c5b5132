// SPDX-License-Identifier: GPL-2.0

//! TCP.

use crate::{
    env::{ip_batch, Env},
    net::{checksum, errno, listener, noise, tcp_pair},
    sys,
};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

pub fn echo(env: &Env) {
    let (mut client, mut server) = tcp_pair(env);
    for len in [1, 100, 1460, 16384] {
        let (data, mut back) = (noise(len, 1), vec![0; len]);
        client.write_all(&data).unwrap();
        server.read_exact(&mut back).unwrap();
        server.write_all(&back).unwrap();
        back.fill(0);
        client.read_exact(&mut back).unwrap();
        assert_eq!(data, back);
    }
    drop(server);
    assert_eq!(
        client.read(&mut [0]).unwrap(),
        0,
        "no end of file after close"
    );
}

pub fn half_close(env: &Env) {
    let (mut client, mut server) = tcp_pair(env);
    let mut got = Vec::new();
    client.write_all(b"the last of it").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    server.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"the last of it");
    // The other direction stays open.
    server.write_all(&noise(100_000, 2)).unwrap();
    drop(server);
    got.clear();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got, noise(100_000, 2));
}

pub fn refused(env: &Env) {
    let (listener, to) = listener(env);
    drop(listener);
    assert_eq!(errno(TcpStream::connect(to)), libc::ECONNREFUSED);

    let (mut client, server) = tcp_pair(env);
    client.write_all(b"nobody reads this").unwrap();
    // What was received and not read makes close() reset the connection.
    while server.peek(&mut [0; 64]).unwrap() < 17 {}
    drop(server);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(errno(client.read(&mut [0])), libc::ECONNRESET);
}

pub fn bulk(env: &Env) {
    const LEN: usize = 10_000_000;
    let pair = tcp_pair(env);
    thread::scope(|s| {
        let mut readers = Vec::new();
        for (stream, seed, other) in [(&pair.0, 3, 4), (&pair.1, 4, 3)] {
            s.spawn(move || {
                let mut stream = stream;
                stream.write_all(&noise(LEN, seed)).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            });
            readers.push(s.spawn(move || {
                let (mut stream, mut got) = (stream, Vec::with_capacity(LEN));
                stream.read_to_end(&mut got).unwrap();
                assert_eq!(got.len(), LEN);
                assert_eq!(checksum(&got), checksum(&noise(LEN, other)), "wrong bytes");
            }));
        }
        readers.into_iter().for_each(|r| r.join().unwrap());
    });
}

pub fn many(env: &Env) {
    const COUNT: usize = 200;
    let (listener, to) = listener(env);
    thread::scope(|s| {
        let server = s.spawn(move || {
            let mut streams: Vec<_> = (0..COUNT).map(|_| listener.accept().unwrap().0).collect();
            // All of them are open by now.
            for stream in &mut streams {
                let mut data = [0; 300];
                stream.read_exact(&mut data).unwrap();
                stream.write_all(&data).unwrap();
            }
        });
        let mut clients = Vec::new();
        for i in 0..COUNT {
            let mut stream = TcpStream::connect(to).unwrap();
            stream.write_all(&noise(300, i as u64 * 2 + 1)).unwrap();
            clients.push(stream);
        }
        for (i, mut stream) in clients.into_iter().enumerate() {
            let mut data = Vec::new();
            stream.read_to_end(&mut data).unwrap();
            assert_eq!(data, noise(300, i as u64 * 2 + 1), "connection {i}");
        }
        server.join().unwrap();
    });
}

pub fn segment_size(env: &Env) {
    let sizes = |env: &Env| {
        [65536, 16000, 1500, 1280].map(|mtu| {
            ip_batch(&format!("link set {} mtu {mtu}\n", env.dev));
            let (mut client, mut server) = tcp_pair(env);
            client.write_all(&noise(5000, 5)).unwrap();
            server.read_exact(&mut [0; 5000]).unwrap();
            [&client, &server]
                .map(|s| sys::get::<i32>(s, libc::IPPROTO_TCP, libc::TCP_MAXSEG).unwrap())
        })
    };
    let got = sizes(env);
    // 12 bytes of options; the other headers are those of IP and TCP.
    let headers = if env.ip.is_ipv4() {
        20 + 20 + 12
    } else {
        40 + 20 + 12
    };
    assert_eq!(got[2], [1500 - headers; 2]);
    assert_eq!(got, env.on_lo(sizes));
}

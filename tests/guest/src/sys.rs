// SPDX-License-Identifier: GPL-2.0

//! What the standard library has no call for: socket options, and addresses of other families.
//! With `msg` and `ethtool`, all of the unsafe code: no library sets options by number, takes
//! control messages as they are, or knows the rings of packet sockets.

use bytemuck::{AnyBitPattern, Pod};
use memmap2::{MmapOptions, MmapRaw};
use nix::{
    net::if_::if_nametoindex,
    sched::{sched_setaffinity, CpuSet},
    time::{clock_gettime, ClockId},
    unistd::Pid,
};
use socket2::{Domain, SockAddr, SockAddrStorage, SockRef, Socket};
use std::{
    ffi::CString,
    io::{Error, Result},
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
};

/// The result of a system call.
pub(crate) fn check(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

/// Reads an integer, or several, from the start of `bytes`.
pub fn value_of<T: AnyBitPattern>(bytes: &[u8]) -> T {
    bytemuck::pod_read_unaligned(&bytes[..size_of::<T>()])
}

/// Keeps the calling thread on one processor, if there is that one.
pub fn pin_to_cpu(cpu: usize) {
    let pinned = [cpu, 0].iter().any(|&cpu| {
        let mut set = CpuSet::new();
        set.set(cpu)
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
            .is_ok()
    });
    assert!(pinned, "cannot choose a processor");
}

/// Index of the device of that name in the calling thread's namespace.
pub fn index_of(device: &str) -> Result<u32> {
    Ok(if_nametoindex(device)?)
}

/// A `sockaddr` of any family.
#[derive(Clone)]
pub struct Address(pub Vec<u8>);

impl From<SockAddr> for Address {
    fn from(address: SockAddr) -> Self {
        let (len, mut storage) = (address.len() as usize, address.as_storage());
        // SAFETY: Its bytes may be read as such.
        let bytes = unsafe { storage.view_as::<[u8; size_of::<SockAddrStorage>()]>() };
        Self(bytes[..len].to_vec())
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        SockAddr::from(address).into()
    }
}

impl Address {
    /// A device, for a packet socket that is to see the packets of one protocol.
    pub fn link(device: &str, protocol: u16) -> Result<Self> {
        // struct sockaddr_ll
        let mut bytes = (libc::AF_PACKET as u16).to_ne_bytes().to_vec();
        bytes.extend(protocol.to_be_bytes());
        bytes.extend(index_of(device)?.to_ne_bytes());
        bytes.resize(size_of::<libc::sockaddr_ll>(), 0);
        Ok(Self(bytes))
    }

    fn sockaddr(&self) -> SockAddr {
        let mut storage = SockAddrStorage::zeroed();
        // SAFETY: Any bytes make a `struct sockaddr_storage`.
        let bytes = unsafe { storage.view_as::<[u8; size_of::<SockAddrStorage>()]>() };
        bytes[..self.0.len()].copy_from_slice(&self.0);
        // SAFETY: So much of it was filled.
        unsafe { SockAddr::new(storage, self.0.len() as u32) }
    }

    /// As an IPv4 or IPv6 address, if it is one.
    pub fn as_ip(&self) -> Option<SocketAddr> {
        self.sockaddr().as_socket()
    }

    /// The port of an IPv4 or IPv6 address.
    pub fn port(&self) -> u16 {
        self.as_ip().expect("no address of IP").port()
    }

    /// The address of a packet socket.
    pub fn as_link(&self) -> Link {
        Link {
            protocol: u16::from_be(value_of(&self.0[2..])),
            index: value_of(&self.0[4..]),
            hatype: value_of(&self.0[8..]),
            kind: self.0[10],
        }
    }
}

/// What a `struct sockaddr_ll` says.
pub struct Link {
    /// The Ethernet protocol.
    pub protocol: u16,
    /// Of the device.
    pub index: u32,
    /// The type of the device, `ARPHRD_*`.
    pub hatype: u16,
    /// `PACKET_HOST` and so on.
    pub kind: u8,
}

/// Makes a socket.
pub fn socket(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    Ok(Socket::new(domain.into(), kind.into(), Some(protocol.into()))?.into())
}

/// Makes a socket of that address's family.
pub fn socket_for(ip: IpAddr, kind: i32, protocol: i32) -> Result<OwnedFd> {
    let domain = if ip.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    socket(domain.into(), kind, protocol)
}

/// C: `bind()`.
pub fn bind(fd: &impl AsFd, to: &Address) -> Result<()> {
    SockRef::from(fd).bind(&to.sockaddr())
}

/// C: `connect()`.
pub fn connect(fd: &impl AsFd, to: &Address) -> Result<()> {
    SockRef::from(fd).connect(&to.sockaddr())
}

/// C: `listen()`.
pub fn listen(fd: &impl AsFd) -> Result<()> {
    SockRef::from(fd).listen(16)
}

/// C: `getsockname()`.
pub fn name_of(fd: &impl AsFd) -> Result<Address> {
    SockRef::from(fd).local_addr().map(Address::from)
}

/// C: `sendmsg()`, with control messages as they are.
pub(crate) fn sendmsg(
    fd: &impl AsFd,
    data: &[u8],
    to: Option<&Address>,
    control: &[u8],
    flags: i32,
) -> Result<usize> {
    let (to, data) = (to.map(Address::sockaddr), [std::io::IoSlice::new(data)]);
    let mut message = socket2::MsgHdr::new().with_buffers(&data);
    if !control.is_empty() {
        message = message.with_control(control);
    }
    if let Some(to) = &to {
        message = message.with_addr(to);
    }
    SockRef::from(fd).sendmsg(&message, flags)
}

/// How long a socket waits, to receive, to send and to connect.
pub fn set_patience(fd: &impl AsFd, time: std::time::Duration) -> Result<()> {
    let socket = SockRef::from(fd);
    socket.set_read_timeout(Some(time))?;
    socket.set_write_timeout(Some(time))
}

/// Sets a socket option to an integer.
pub fn set(fd: &impl AsFd, level: i32, name: i32, value: i32) -> Result<()> {
    set_bytes(fd, level, name, &value.to_ne_bytes())
}

/// Sets a socket option to whatever the bytes are.
pub fn set_bytes(fd: &impl AsFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let (at, len) = (value.as_ptr().cast(), value.len() as u32);
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::setsockopt(fd, level, name, at, len) } as isize).map(drop)
}

/// Gets a socket option that is an integer, or several.
pub fn get<T: Pod>(fd: &impl AsFd, level: i32, name: i32) -> Result<T> {
    let fd = fd.as_fd().as_raw_fd();
    let (mut value, mut len) = (T::zeroed(), size_of::<T>() as u32);
    let at = (&raw mut value).cast();
    // SAFETY: The pointer is valid for the length, and any bytes make a `T`.
    check(unsafe { libc::getsockopt(fd, level, name, at, &mut len) } as isize)?;
    Ok(value)
}

/// Binds a socket to a device (`SO_BINDTODEVICE`).
pub fn bind_to_device(fd: &impl AsFd, device: &str) -> Result<()> {
    let name = CString::new(device)?;
    let name = name.as_bytes_with_nul();
    set_bytes(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)
}

/// Bytes that were sent and still count against the sender's buffer (`SIOCOUTQ`).
pub fn outq(fd: &impl AsFd) -> Result<i32> {
    let mut value: i32 = 0;
    // SAFETY: The request writes an int.
    check(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCOUTQ, &mut value) } as isize)?;
    Ok(value)
}

/// Nanoseconds of a clock.
pub fn clock(id: i32) -> i128 {
    let time = clock_gettime(ClockId::from_raw(id)).expect("no such clock");
    nanoseconds([time.tv_sec(), time.tv_nsec()])
}

/// A `struct timespec` as nanoseconds.
pub fn nanoseconds([seconds, rest]: [i64; 2]) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

/// Memory that a socket shares with the kernel.
pub struct Mapping(MmapRaw);

impl Mapping {
    /// C: `mmap()`.
    pub fn new(fd: &impl AsFd, len: usize) -> Result<Self> {
        let fd = fd.as_fd().as_raw_fd();
        MmapOptions::new().len(len).map_raw(fd).map(Self)
    }

    /// A word of it.
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset % 4 == 0 && offset + 4 <= self.0.len());
        // SAFETY: The offset is within the mapping, which begins at a page. The kernel reads and
        // writes these words as a whole.
        unsafe { AtomicU32::from_ptr(self.0.as_mut_ptr().add(offset).cast()) }
    }

    /// Reads a word, before anything that is read later.
    pub fn load(&self, offset: usize) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Writes a word, after all that was written before.
    pub fn store(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Writes bytes. The kernel is not to read them yet.
    pub fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= self.0.len());
        let to = self.0.as_mut_ptr().wrapping_add(offset);
        // SAFETY: The offset is within the mapping, and no Rust reference points there.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }
}

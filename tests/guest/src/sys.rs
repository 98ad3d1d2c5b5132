// SPDX-License-Identifier: GPL-2.0

//! What the standard library has no call for: socket options, and addresses of other families.
//! With `msg` and `ethtool`, all of the unsafe code.

use nix::{
    net::if_::if_nametoindex,
    sched::{sched_setaffinity, CpuSet},
    time::{clock_gettime, ClockId},
    unistd::Pid,
};
use std::{
    ffi::CString,
    io::{Error, Result},
    mem::{size_of, zeroed, MaybeUninit},
    net::SocketAddr,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, Ordering},
};

/// The result of a system call.
pub fn check(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last_os_error())
}

/// A C structure, or an integer, as bytes.
pub fn bytes_of<T: Copy>(value: &T) -> Vec<u8> {
    // SAFETY: Any value can be read as bytes as far as it has no padding, and this is only used
    // for integers and for C structures that were zeroed first.
    unsafe { slice::from_raw_parts(ptr::from_ref(value).cast(), size_of::<T>()) }.to_vec()
}

/// Reads a C structure, or an integer, from the start of `bytes`.
pub fn value_of<T: Plain>(bytes: &[u8]) -> T {
    assert!(bytes.len() >= size_of::<T>(), "{} bytes only", bytes.len());
    // SAFETY: There are enough bytes, and any of them make a `T`.
    unsafe { bytes.as_ptr().cast::<T>().read_unaligned() }
}

/// Types that any bytes make a value of.
///
/// # Safety
///
/// All bit patterns must be valid.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($t:ty),* $(,)?) => {
        $(
            // SAFETY: Made of integers.
            unsafe impl Plain for $t {}
        )*
    };
}
plain!(
    u16,
    u32,
    i32,
    u64,
    [u8; 8],
    [u32; 9],
    [libc::timespec; 3],
    libc::timespec,
    libc::in_pktinfo,
    libc::in6_pktinfo,
    libc::sock_extended_err,
    libc::sockaddr_ll,
);

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

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(a) => {
                // SAFETY: Made of integers.
                let mut c: libc::sockaddr_in = unsafe { zeroed() };
                c.sin_family = libc::AF_INET as u16;
                c.sin_port = a.port().to_be();
                c.sin_addr.s_addr = u32::from_ne_bytes(a.ip().octets());
                Self(bytes_of(&c))
            }
            SocketAddr::V6(a) => {
                // SAFETY: Made of integers.
                let mut c: libc::sockaddr_in6 = unsafe { zeroed() };
                c.sin6_family = libc::AF_INET6 as u16;
                c.sin6_port = a.port().to_be();
                c.sin6_addr.s6_addr = a.ip().octets();
                c.sin6_scope_id = a.scope_id();
                Self(bytes_of(&c))
            }
        }
    }
}

impl Address {
    /// A device, for a packet socket that is to see the packets of one protocol.
    pub fn link(device: &str, protocol: u16) -> Result<Self> {
        // SAFETY: Made of integers.
        let mut c: libc::sockaddr_ll = unsafe { zeroed() };
        c.sll_family = libc::AF_PACKET as u16;
        c.sll_protocol = protocol.to_be();
        c.sll_ifindex = index_of(device)? as i32;
        Ok(Self(bytes_of(&c)))
    }

    /// The port of an IPv4 or IPv6 address.
    pub fn port(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// The address of a packet socket.
    pub fn as_link(&self) -> libc::sockaddr_ll {
        value_of(&self.0)
    }
}

/// Makes a socket.
pub fn socket(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd> {
    // SAFETY: No pointers.
    let fd = check(unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) } as isize)?;
    // SAFETY: The descriptor was just made and is nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// C: `bind()`.
pub fn bind(fd: &impl AsRawFd, to: &Address) -> Result<()> {
    let (address, len) = (to.0.as_ptr().cast(), to.0.len() as u32);
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::bind(fd.as_raw_fd(), address, len) } as isize).map(drop)
}

/// C: `connect()`.
pub fn connect(fd: &impl AsRawFd, to: &Address) -> Result<()> {
    let (address, len) = (to.0.as_ptr().cast(), to.0.len() as u32);
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::connect(fd.as_raw_fd(), address, len) } as isize).map(drop)
}

/// C: `listen()`.
pub fn listen(fd: &impl AsRawFd) -> Result<()> {
    // SAFETY: No pointers.
    check(unsafe { libc::listen(fd.as_raw_fd(), 16) } as isize).map(drop)
}

/// C: `getsockname()`.
pub fn name_of(fd: &impl AsRawFd) -> Result<Address> {
    let mut buffer = vec![0; size_of::<libc::sockaddr_storage>()];
    let mut len = buffer.len() as u32;
    let address = buffer.as_mut_ptr().cast();
    // SAFETY: The buffer is valid for the length.
    check(unsafe { libc::getsockname(fd.as_raw_fd(), address, &mut len) } as isize)?;
    buffer.truncate(len as usize);
    Ok(Address(buffer))
}

/// Sets a socket option to an integer.
pub fn set(fd: &impl AsRawFd, level: i32, name: i32, value: i32) -> Result<()> {
    set_bytes(fd, level, name, &value.to_ne_bytes())
}

/// Sets a socket option to whatever the bytes are.
pub fn set_bytes(fd: &impl AsRawFd, level: i32, name: i32, value: &[u8]) -> Result<()> {
    let (at, len) = (value.as_ptr().cast(), value.len() as u32);
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, at, len) } as isize).map(drop)
}

/// Gets a socket option that is a plain value.
pub fn get<T: Plain>(fd: &impl AsRawFd, level: i32, name: i32) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as u32;
    let at = value.as_mut_ptr().cast();
    // SAFETY: The pointer is valid for the length.
    check(unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, at, &mut len) } as isize)?;
    // SAFETY: All bytes are initialised, and any make a `T`.
    Ok(unsafe { value.assume_init() })
}

/// Binds a socket to a device (`SO_BINDTODEVICE`).
pub fn bind_to_device(fd: &impl AsRawFd, device: &str) -> Result<()> {
    let name = CString::new(device)?;
    let name = name.as_bytes_with_nul();
    set_bytes(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)
}

/// Bytes that were sent and still count against the sender's buffer (`SIOCOUTQ`).
pub fn outq(fd: &impl AsRawFd) -> Result<i32> {
    let mut value: i32 = 0;
    // SAFETY: The request writes an int.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &mut value) } as isize)?;
    Ok(value)
}

/// Nanoseconds of a clock.
pub fn clock(id: i32) -> i128 {
    let time = clock_gettime(ClockId::from_raw(id)).expect("no such clock");
    nanoseconds(time.as_ref())
}

/// A time as nanoseconds.
pub fn nanoseconds(time: &libc::timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Memory that a socket shares with the kernel.
///
/// # Invariants
///
/// `at` is mapped, and may be read and written, for `len` bytes.
pub struct Mapping {
    at: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// C: `mmap()`.
    pub fn new(fd: &impl AsRawFd, len: usize) -> Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = fd.as_raw_fd();
        // SAFETY: A new mapping, which nothing else uses.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, 0) };
        if at == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        // INVARIANT: It was just mapped so.
        Ok(Self {
            at: NonNull::new(at.cast()).expect("mapped at 0"),
            len,
        })
    }

    /// A word of it.
    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset % 4 == 0 && offset + 4 <= self.len);
        // SAFETY: By the invariant, the offset is within the mapping, which begins at a page. The
        // kernel reads and writes these words as a whole.
        unsafe { AtomicU32::from_ptr(self.at.as_ptr().add(offset).cast()) }
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
        assert!(offset + bytes.len() <= self.len);
        // SAFETY: By the invariant, the offset is within the mapping. No Rust reference points
        // there.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.as_ptr().add(offset), bytes.len())
        };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the invariant it is mapped, and nothing points into it.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

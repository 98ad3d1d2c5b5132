// SPDX-License-Identifier: GPL-2.0

//! What a request of rtnetlink brings along and takes back.

use super::bindings;
use core::{
    fmt::Write,
    marker::PhantomData, //
};
use kernel::prelude::*;

/// The place for an error message that goes back to the user with the error code.
///
/// C counterpart: `struct netlink_ext_ack`, `include/linux/netlink.h`.
///
/// # Invariants
///
/// `ptr` is null (the user did not ask for messages) or points to a `netlink_ext_ack` that belongs
/// to the request that the current task handles, for `'a`.
pub struct ExtAck<'a> {
    ptr: *mut bindings::netlink_ext_ack,
    _life: PhantomData<&'a ()>,
}

impl ExtAck<'_> {
    /// # Safety
    ///
    /// `ptr` must satisfy the invariants of [`ExtAck`].
    pub(super) unsafe fn from_raw(ptr: *mut bindings::netlink_ext_ack) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            ptr,
            _life: PhantomData,
        }
    }

    /// For functions of C that set a message.
    pub(super) fn as_raw(&mut self) -> *mut bindings::netlink_ext_ack {
        self.ptr
    }

    /// Says which attribute the message is about.
    ///
    /// # Safety
    ///
    /// `attr` must be null or point into the message of the request that the extack belongs to.
    pub(super) unsafe fn set_bad_attr(&mut self, attr: *const bindings::nlattr) {
        if !self.ptr.is_null() {
            // SAFETY: By the type's invariants, the pointer is valid and only this task uses it.
            let ack = unsafe { &mut *self.ptr };
            ack.bad_attr = attr;
            ack.policy = core::ptr::null();
        }
    }

    /// Sets the message, cut off at 79 bytes. The last one set is the one that counts.
    ///
    /// C counterpart: `NL_SET_ERR_MSG_FMT()`: the text is copied, so that it does not matter
    /// whether the module is still there when the message is sent.
    pub fn set_msg(&mut self, args: core::fmt::Arguments<'_>) {
        if self.ptr.is_null() {
            return;
        }
        // SAFETY: By the type's invariants, the pointer is valid and only this task uses it.
        let ack = unsafe { &mut *self.ptr };
        let mut text = Text {
            buf: &mut ack._msg_buf,
            len: 0,
        };
        // An error would be one of a `Display` in `args`: what it wrote until then is kept.
        let _ = text.write_fmt(args);
        ack._msg = ack._msg_buf.as_ptr();
    }
}

/// Writes text into a C string, always terminated, and drops what does not fit.
struct Text<'a> {
    buf: &'a mut [c_char],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        for &byte in s.as_bytes() {
            if self.len + 1 < self.buf.len() {
                self.buf[self.len] = byte as c_char;
                self.len += 1;
            }
        }
        self.buf[self.len] = 0;
        Ok(())
    }
}

/// The `IFLA_*` attributes of a request to make or change a link.
///
/// # Invariants
///
/// `tb` points to `IFLA_MAX + 1` pointers, each null or to an attribute that lies whole in the
/// request's message, for `'a`.
pub struct LinkAttributes<'a> {
    tb: *const *mut bindings::nlattr,
    _life: PhantomData<&'a ()>,
}

/// In the first byte of an Ethernet address that is a multicast one.
const MULTICAST: u8 = 0x01;

impl LinkAttributes<'_> {
    /// # Safety
    ///
    /// `tb` must satisfy the invariants of [`LinkAttributes`].
    pub(super) unsafe fn from_raw(tb: *const *mut bindings::nlattr) -> Self {
        // INVARIANT: By the function's safety requirement.
        Self {
            tb,
            _life: PhantomData,
        }
    }

    /// Checks the addresses that were asked for: whole Ethernet addresses, the device's own one
    /// a unicast one or, as for a device that was given none, all zero.
    ///
    /// `rtnl_create_link()` copies them as they are. `EINVAL` for a wrong length, `EADDRNOTAVAIL`
    /// for a multicast address.
    ///
    /// C counterpart: as `dummy_validate()`, `drivers/net/dummy.c`, but for the zeros.
    pub fn check_ethernet_addresses(&self, extack: &mut ExtAck<'_>) -> Result {
        const LEN: usize = bindings::ETH_ALEN as usize;

        let address = self.bytes(bindings::IFLA_ADDRESS);
        let broadcast = self.bytes(bindings::IFLA_BROADCAST);

        for (what, bytes) in [("address", address), ("broadcast address", broadcast)] {
            if let Some(bytes) = bytes.filter(|bytes| bytes.len() != LEN) {
                extack.set_msg(fmt!("{what} has {} bytes, must have {LEN}", bytes.len()));
                return Err(EINVAL);
            }
        }
        if let Some(first) = address.map(|bytes| bytes[0]).filter(|b| b & MULTICAST != 0) {
            extack.set_msg(fmt!(
                "address {first:02x}:... is a multicast one, must be unicast or all zero"
            ));
            // Not in `kernel::error::code` of 7.2.
            return Err(Error::from_errno(-(bindings::EADDRNOTAVAIL as c_int)));
        }
        Ok(())
    }

    /// Checks the address that was asked for: a whole Ethernet address, a unicast one and not all
    /// zero. `EINVAL` for a wrong length, `EADDRNOTAVAIL` for one that cannot be a device's.
    ///
    /// C counterpart: `dummy_validate()`, `drivers/net/dummy.c`.
    pub fn check_ethernet_address(&self, extack: &mut ExtAck<'_>) -> Result {
        let Some(address) = self.bytes(bindings::IFLA_ADDRESS) else {
            return Ok(());
        };
        let Ok(address) = <[u8; bindings::ETH_ALEN as usize]>::try_from(address) else {
            extack.set_msg(fmt!("address has {} bytes, must have 6", address.len()));
            return Err(EINVAL);
        };
        let why = match address {
            [0, 0, 0, 0, 0, 0] => "is all zero",
            [first, ..] if first & MULTICAST != 0 => "is a multicast one",
            _ => return Ok(()),
        };
        extack.set_msg(fmt!("address {why}"));
        // Not in `kernel::error::code` of 7.2.
        Err(Error::from_errno(-(bindings::EADDRNOTAVAIL as c_int)))
    }

    fn bytes(&self, attribute: u32) -> Option<&[u8]> {
        // SAFETY: By the type's invariants; all that are asked for here are at most `IFLA_MAX`.
        let attr = unsafe { *self.tb.add(attribute as usize) };
        // SAFETY: By the type's invariants the attribute is valid.
        unsafe { payload(attr) }
    }
}

/// What is in an attribute, if it is there.
///
/// C counterpart: `nla_data()`, `nla_len()`, `include/net/netlink.h`.
///
/// # Safety
///
/// `attr` must be null, or point to an attribute that lies whole in a message for `'a`.
pub(super) unsafe fn payload<'a>(attr: *const bindings::nlattr) -> Option<&'a [u8]> {
    const HEADER: usize = bindings::NLA_HDRLEN as usize;

    if attr.is_null() {
        return None;
    }
    // SAFETY: By the function's safety requirement.
    let len = unsafe { (*attr).nla_len } as usize;
    // SAFETY: As above, with its payload.
    let data = unsafe { attr.cast::<u8>().add(HEADER) };
    // SAFETY: `nla_len` counts header and payload.
    Some(unsafe { core::slice::from_raw_parts(data, len.saturating_sub(HEADER)) })
}

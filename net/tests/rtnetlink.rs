// SPDX-License-Identifier: GPL-2.0

//! Requests and their answers.

use super::check;
use crate::net::{
    bindings,
    rtnetlink::{
        ExtAck,
        LinkAttributes, //
    },
};
use core::mem::MaybeUninit;
use kernel::{
    prelude::*,
    str::CString, //
};

/// An attribute with room for an address that is too long.
#[repr(C)]
struct Attribute {
    header: bindings::nlattr,
    payload: [u8; 32],
}

impl Attribute {
    fn new(kind: u32, payload: &[u8]) -> Self {
        let mut all = [0; 32];
        all[..payload.len()].copy_from_slice(payload);
        Self {
            header: bindings::nlattr {
                nla_len: bindings::NLA_HDRLEN as u16 + payload.len() as u16,
                nla_type: kind as u16,
            },
            payload: all,
        }
    }
}

fn new_ack() -> bindings::netlink_ext_ack {
    // SAFETY: Zero is a valid value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The message in an extack.
fn message(ack: &bindings::netlink_ext_ack) -> &[u8] {
    if ack._msg.is_null() {
        return b"";
    }
    // SAFETY: `ExtAck` sets it to a C string inside the structure.
    unsafe { CStr::from_char_ptr(ack._msg) }.to_bytes()
}

/// What the check says of a request with these attributes.
fn check_addresses(
    address: Option<&[u8]>,
    broadcast: Option<&[u8]>,
    ack: *mut bindings::netlink_ext_ack,
) -> Result {
    let mut attributes = [
        (bindings::IFLA_ADDRESS, address),
        (bindings::IFLA_BROADCAST, broadcast),
    ]
    .map(|(kind, payload)| (kind, payload.map(|p| Attribute::new(kind, p))));
    let mut tb = [core::ptr::null_mut(); bindings::__IFLA_MAX as usize];
    for (kind, attribute) in &mut attributes {
        if let Some(attribute) = attribute {
            tb[*kind as usize] = (&raw mut *attribute).cast::<bindings::nlattr>();
        }
    }
    // SAFETY: All pointers stay valid until the end of this function.
    let (attributes, mut ack) =
        unsafe { (LinkAttributes::from_raw(tb.as_ptr()), ExtAck::from_raw(ack)) };
    attributes.check_ethernet_addresses(&mut ack)
}

#[kunit_tests(rust_lo_rtnetlink)]
#[allow(unsafe_op_in_unsafe_fn)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses() -> Result {
        let mut ack = new_ack();
        for good in [[0; 6], [2, 0, 0, 0, 0, 1], [0xfe; 6]] {
            check_addresses(Some(&good), Some(&[0xff; 6]), &mut ack)?;
            check_addresses(Some(&good), None, core::ptr::null_mut())?;
        }
        check_addresses(None, None, &mut ack)?;
        check!(message(&ack), b"");
        Ok(())
    }

    /// Every wrong length is refused, with the length in the message.
    #[test]
    fn lengths() -> Result {
        let bytes = [2; 32];
        for len in (0..=32).filter(|len| *len != 6) {
            let mut ack = new_ack();
            let text = CString::try_from_fmt(fmt!("address has {len} bytes, must have 6"))?;
            check!(
                check_addresses(Some(&bytes[..len]), None, &mut ack),
                Err(EINVAL)
            );
            check!(message(&ack), text.to_bytes());
            let text =
                CString::try_from_fmt(fmt!("broadcast address has {len} bytes, must have 6"))?;
            check!(
                check_addresses(Some(&bytes[..6]), Some(&bytes[..len]), &mut ack),
                Err(EINVAL)
            );
            check!(message(&ack), text.to_bytes());
        }
        Ok(())
    }

    #[test]
    fn multicast_address() -> Result {
        let mut ack = new_ack();
        let error = Error::from_errno(-(bindings::EADDRNOTAVAIL as c_int));
        for first in [1, 3, 0xff] {
            let address = [first, 0, 0, 0, 0, 0];
            check!(check_addresses(Some(&address), None, &mut ack), Err(error));
            check!(message(&ack).ends_with(b"must be unicast or all zero"));
            // Without a place for the message the answer is the same.
            check!(
                check_addresses(Some(&address), None, core::ptr::null_mut()),
                Err(error)
            );
        }
        Ok(())
    }

    /// A long message is cut off, terminated, and replaced by a later one.
    #[test]
    fn long_message() -> Result {
        let mut ack = new_ack();
        // SAFETY: `ack` is used by this only until the last use of `ext`.
        let mut ext = unsafe { ExtAck::from_raw(&mut ack) };
        ext.set_msg(fmt!("{:0>200}", 7));
        check!(message(&ack), &[b'0'; 79][..]);
        // SAFETY: As above.
        let mut ext = unsafe { ExtAck::from_raw(&mut ack) };
        ext.set_msg(fmt!("short"));
        check!(message(&ack), b"short");
        // SAFETY: As above.
        let mut ext = unsafe { ExtAck::from_raw(&mut ack) };
        ext.set_msg(fmt!("{:0>79}", 7));
        check!(message(&ack).len(), 79);
        check!(message(&ack).last(), Some(&b'7'));
        Ok(())
    }
}

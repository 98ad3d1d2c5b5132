// SPDX-License-Identifier: GPL-2.0

//! Building and reading rtnetlink messages.

use netlink_packet_core::NlasIterator;

use crate::uapi::{NLM_F_ACK, NLM_F_REQUEST};

/// A request under construction.
pub struct Request(Vec<u8>);

impl Request {
    /// A request of this type with the fixed part of its payload.
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        Self(bytes).aligned()
    }

    /// With one more attribute.
    pub fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(attr(kind, value));
        self
    }

    /// With one more attribute that is a 32-bit number.
    pub fn attr_u32(self, kind: u16, value: u32) -> Self {
        self.attr(kind, &value.to_ne_bytes())
    }

    /// The finished message.
    pub fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn aligned(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// An attribute by itself, as it stands in another one.
pub fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The attributes of a message, or inside an attribute. What cannot be read ends them.
#[derive(Clone, Debug, Default)]
pub struct Attrs<'a>(pub Vec<(u16, &'a [u8])>);

impl<'a> Attrs<'a> {
    /// Reads them.
    pub fn read(bytes: &'a [u8]) -> Self {
        Self(
            NlasIterator::new(bytes)
                .map_while(Result::ok)
                .map(|nla| {
                    let (kind, length) = (nla.kind(), nla.length() as usize);
                    (kind, &nla.into_inner()[4..length])
                })
                .collect(),
        )
    }

    /// The value of one attribute.
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v)
    }

    /// The value of one attribute that is a 32-bit number.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind).and_then(|v| u32_at(v, 0))
    }

    /// The attributes inside one attribute.
    pub fn nested(&self, kind: u16) -> Attrs<'a> {
        self.get(kind).map(Attrs::read).unwrap_or_default()
    }
}

/// The number at this offset.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uapi::NLM_F_CREATE;

    #[test]
    fn what_is_built_can_be_read() {
        let request = Request::new(24, NLM_F_CREATE, &[7; 5])
            .attr(1, &[127, 0, 0])
            .attr_u32(4, 1);
        let bytes = request.finish(9);
        assert_eq!(bytes.len(), 16 + 8 + 8 + 8);
        assert_eq!(u32_at(&bytes, 0), Some(40));
        assert_eq!(bytes[4..6], 24u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 0x0405u16.to_ne_bytes());
        assert_eq!(u32_at(&bytes, 8), Some(9));
        let attrs = Attrs::read(&bytes[24..]);
        assert_eq!(attrs.get(1), Some(&[127, 0, 0][..]));
        assert_eq!(attrs.u32(4), Some(1));
        assert_eq!(attrs.u32(1), None);
        assert_eq!(attrs.get(2), None);
    }

    #[test]
    fn rubbish_ends_the_attributes() {
        let bytes = [8, 0, 4, 0, 1, 0, 0, 0, 99, 0, 5, 0, 1, 2];
        assert_eq!(Attrs::read(&bytes).0.len(), 1);
        assert_eq!(Attrs::read(&[1, 0, 0, 0]).0.len(), 0);
        assert_eq!(Attrs::read(&[]).nested(3).0.len(), 0);
    }
}

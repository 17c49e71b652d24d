//! What the gateway's end asks a ping function: benchmarks.
//!
//! ```text
//!  offset  type  field
//!  0       u32   round trips, from 1
//!  4       u32   bytes of each message's body
//! ```
//!
//! The reply's body is a u32 of nanoseconds for each round trip, or empty when there were none.

/// Round trips to an echo function that are to be timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PingRequest {
    /// Round trips.
    pub count: u32,
    /// Bytes of each message's body.
    pub size: u32,
}

impl PingRequest {
    /// The most round trips of one request.
    pub const COUNT_MAX: u32 = 1 << 16;
    /// The most bytes of a message's body.
    pub const SIZE_MAX: u32 = 1 << 20;

    /// As it is sent, in a message's body.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        bytes[4..].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }

    /// The request in a message's body; None if it makes no sense.
    pub fn from_bytes(body: &[u8]) -> Option<PingRequest> {
        let (count, size) = body.split_first_chunk::<4>()?;
        let request = PingRequest {
            count: u32::from_le_bytes(*count),
            size: u32::from_le_bytes(size.try_into().ok()?),
        };
        let is_sound =
            (1..=Self::COUNT_MAX).contains(&request.count) && request.size <= Self::SIZE_MAX;
        is_sound.then_some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let request = PingRequest {
            count: 0x1234,
            size: 0x5_6789,
        };
        let bytes = [0x34, 0x12, 0, 0, 0x89, 0x67, 5, 0];
        assert_eq!(request.to_bytes(), bytes);
        assert_eq!(PingRequest::from_bytes(&bytes), Some(request));
        assert_eq!(PingRequest::from_bytes(&bytes[..7]), None);
        assert_eq!(PingRequest::from_bytes(&[0; 8]), None);
    }
}

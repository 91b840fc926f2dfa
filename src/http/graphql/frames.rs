//! The sizes of WebSocket frames, looked at as their bytes come.
//!
//! The reader of frames gathers a whole frame before it compares its size with the limit, so a client that announces a
//! frame of gigabytes could fill the memory with it. Here the stream ends as soon as such a frame is announced.

use actix_web::{FromRequest, HttpRequest, dev, error::PayloadError, web};
use bytes::Bytes;
use futures_util::{StreamExt, future};

/// Longest header of a frame: two bytes, a length of eight, a mask of four.
const HEADER: usize = 14;

/// The same bytes, up to the header of the first frame that announces more than `most` bytes; then an error.
pub(super) fn guard(
    request: &HttpRequest,
    payload: web::Payload,
    most: usize,
) -> Result<web::Payload, actix_web::Error> {
    let mut frames = Frames::new(u64::try_from(most).unwrap_or(u64::MAX));
    let guarded = payload.map(move |bytes: Result<Bytes, PayloadError>| match bytes {
        Ok(bytes) if !frames.admit(&bytes) => Err(PayloadError::Overflow),
        bytes => bytes,
    });
    let ended = guarded.scan(false, |failed, bytes| {
        let next = (!*failed).then_some(bytes);
        *failed = next.as_ref().is_some_and(Result::is_err);
        future::ready(next)
    });
    web::Payload::from_request(request, &mut dev::Payload::Stream { payload: ended.boxed_local() }).into_inner()
}

/// Where in which frame the bytes so far have ended.
struct Frames {
    most: u64,
    /// What has come of the next frame's header.
    header: Vec<u8>,
    /// What is still to come of this frame's body.
    left: u64,
}

impl Frames {
    fn new(most: u64) -> Self {
        Self { most, header: Vec::with_capacity(HEADER), left: 0 }
    }

    /// Follows the next bytes; `false` once a frame announces too much.
    fn admit(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            let body = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
            if body > 0 {
                bytes = &bytes[body..];
                self.left -= body as u64;
                continue;
            }
            self.header.push(*first);
            bytes = rest;
            if let Some(length) = announced(&self.header) {
                if length > self.most {
                    return false;
                }
                self.left = length;
                self.header.clear();
            }
        }
        true
    }
}

/// The length of the body, once the whole header is there.
fn announced(header: &[u8]) -> Option<u64> {
    let second = header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (length, end) = match second & 0x7f {
        126 => (header.get(2..4)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 4),
        127 => (header.get(2..10)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 10),
        short => (u64::from(short), 2),
    };
    (header.len() >= end + mask).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: usize) -> Vec<u8> {
        let length = u16::try_from(body).expect("short");
        let mut frame =
            if body < 126 { vec![0x81, 0x80 | u8::try_from(body).expect("short")] } else { vec![0x81, 0xfe] };
        if body >= 126 {
            frame.extend(length.to_be_bytes());
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(vec![0xff; body]);
        frame
    }

    #[test]
    fn frames_within_the_limit_pass_however_they_are_cut() {
        let bytes = [frame(0), frame(5), frame(125), frame(126), frame(1000), frame(1)].concat();
        for size in [1, 2, 3, 7, 130, bytes.len()] {
            let mut frames = Frames::new(1000);
            assert!(bytes.chunks(size).all(|chunk| frames.admit(chunk)), "{size}");
            assert!(frames.left == 0 && frames.header.is_empty());
        }
    }

    #[test]
    fn a_frame_that_announces_too_much_is_the_end() {
        let mut frames = Frames::new(1000);
        assert!(frames.admit(&frame(1000)));
        assert!(!frames.admit(&frame(1001)));
        let huge = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04";
        assert!(!Frames::new(1 << 20).admit(huge));
        // Pings and frames without a mask count as well; the reader of frames says what else is wrong with them.
        assert!(!Frames::new(10).admit(&[0x89, 11]));
    }
}

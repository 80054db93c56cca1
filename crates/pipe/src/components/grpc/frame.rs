//! How a message goes over the wire: one byte that says whether it is packed, four with its length, the message.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost_reflect::DynamicMessage;

const HEAD: usize = 5;

/// The body of a call with this message.
pub(super) fn of(message: &DynamicMessage) -> Bytes {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(HEAD + length);
    body.put_u8(0);
    // A payload is in memory, and no broker carries one of 4 GiB.
    body.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode(&mut body).expect("a buffer that grows has room");
    body.freeze()
}

/// The one message of a reply.
///
/// # Errors
///
/// A sentence when there is none, several, or one that is packed: we ask for none.
pub(super) fn read(body: &Bytes) -> Result<Bytes, String> {
    let Some((head, _)) = body.split_at_checked(HEAD) else {
        return Err(format!("the reply has no message, only {} bytes", body.len()));
    };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let message = body.slice(HEAD..);
    match (head[0], message.len()) {
        (0, here) if here == length as usize => Ok(message),
        (0, here) if here < length as usize => Err(format!("the message is cut off after {here} of {length} bytes")),
        (0, _) => Err("the reply has more than one message".into()),
        _ => Err("the message is compressed, and nobody asked for that".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &'static [u8], expected: Result<&'static [u8], &str>) {
        let read = read(&Bytes::from_static(body));
        assert_eq!(read.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn a_reply_is_one_message() {
        check(b"\0\0\0\0\x02ab", Ok(b"ab"));
        check(b"\0\0\0\0\0", Ok(b""));
        check(b"", Err("the reply has no message, only 0 bytes"));
        check(b"\0\0\0\0", Err("the reply has no message, only 4 bytes"));
        check(b"\0\0\0\0\x03ab", Err("the message is cut off after 2 of 3 bytes"));
        check(b"\0\0\0\0\x01ab", Err("the reply has more than one message"));
        check(b"\x01\0\0\0\x02ab", Err("the message is compressed, and nobody asked for that"));
    }
}

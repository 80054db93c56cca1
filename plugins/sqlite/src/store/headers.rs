//! How an event's headers are kept in one column: for each, name and value, each behind its length.
//!
//! Lengths are LEB128 (seven bits a byte, the lowest first). No headers are no bytes. Order and
//! repetitions stay as they were.

/// One header: name and value, any bytes.
pub type Header = (Vec<u8>, Vec<u8>);

pub fn encode(headers: &[Header]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(headers));
    for (name, value) in headers {
        push(&mut bytes, name);
        push(&mut bytes, value);
    }
    bytes
}

/// Bytes that [`encode`] writes at most: lengths are taken as five bytes.
pub fn encoded_len(headers: &[Header]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum()
}

/// The headers in `bytes`, or none of them when the column is damaged.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<Header>> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let name = take(&mut bytes)?;
        let value = take(&mut bytes)?;
        headers.push((name, value));
    }
    Some(headers)
}

fn push(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text.len();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend_from_slice(text);
}

fn take(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = take_length(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text.to_vec())
}

fn take_length(bytes: &mut &[u8]) -> Option<usize> {
    let mut length = 0usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_headers_are_no_bytes() {
        assert!(encode(&[]).is_empty());
        assert_eq!(decode(&[]), Some(Vec::new()));
    }

    #[test]
    fn a_damaged_column_is_refused() {
        for damaged in [&[5, 1][..], &[1, b'a'], &[0x80], &[0xff; 12]] {
            assert_eq!(decode(damaged), None, "{damaged:?}");
        }
    }

    proptest! {
        #[test]
        fn headers_come_back_as_they_were(
            headers in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 0..300)),
                0..6,
            )
        ) {
            let bytes = encode(&headers);
            prop_assert!(bytes.len() <= encoded_len(&headers));
            prop_assert_eq!(decode(&bytes), Some(headers));
        }
    }
}

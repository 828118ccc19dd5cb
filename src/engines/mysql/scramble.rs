//! How a password is proven to a MySQL server without being shown to whoever listens.

use curve25519_dalek::{EdwardsPoint, Scalar};
use num_bigint::BigUint;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

/// The longest key that a server may make us calculate with: 4096 bits.
const MAX_KEY: usize = 512;

fn sha1(parts: &[&[u8]]) -> Vec<u8> {
    hash(&SHA1_FOR_LEGACY_USE_ONLY, parts)
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    hash(&SHA256, parts)
}

fn hash(algorithm: &'static ring::digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

/// `value` with `mask` over it, repeated as often as it takes.
fn masked(value: &[u8], mask: &[u8]) -> Vec<u8> {
    value.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect()
}

/// `mysql_native_password`: SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))).
pub fn native(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = sha1(&[password.as_bytes()]);
    let twice = sha1(&[&once]);
    masked(&once, &sha1(&[nonce, &twice]))
}

/// `caching_sha2_password`: SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce).
pub fn caching_sha2(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once = sha256(&[password.as_bytes()]);
    let twice = sha256(&[&once]);
    masked(&once, &sha256(&[&twice, nonce]))
}

/// `client_ed25519`: the nonce signed as Ed25519 does, with a key that is the hash of the password, however long.
pub fn ed25519(password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    let key = hash(&SHA512, &[password.as_bytes()]);
    let (half, prefix) = key.split_first_chunk::<32>()?;
    let secret = Scalar::from_bytes_mod_order(clamped(*half));
    let public = EdwardsPoint::mul_base(&secret).compress();
    let number = |parts: &[&[u8]]| {
        let wide: [u8; 64] = hash(&SHA512, parts).try_into().ok()?;
        Some(Scalar::from_bytes_mod_order_wide(&wide))
    };
    let once = number(&[prefix, nonce])?;
    let point = EdwardsPoint::mul_base(&once).compress();
    let proof = once + number(&[point.as_bytes(), public.as_bytes(), nonce])? * secret;
    Some([point.to_bytes(), proof.to_bytes()].concat())
}

/// RFC 8032: a multiple of eight of a fixed length.
fn clamped(mut key: [u8; 32]) -> [u8; 32] {
    let [first, .., last] = &mut key;
    *first &= 0xF8;
    *last = *last & 0x7F | 0x40;
    key
}

/// The password for a server whose key came over an open line: masked with the nonce, then RSA with OAEP.
pub fn for_key(password: &str, nonce: &[u8], pem: &[u8]) -> Option<Vec<u8>> {
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
    let (modulus, exponent) = rsa_numbers(key.as_ref())?;
    let zero_ended = [password.as_bytes(), &[0]].concat();
    let size = modulus.len();
    let padded = oaep(&masked(&zero_ended, nonce), size)?;
    let (modulus, exponent) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
    let encrypted = BigUint::from_bytes_be(&padded).modpow(&exponent, &modulus).to_bytes_be();
    Some([vec![0; size.checked_sub(encrypted.len())?], encrypted].concat())
}

/// EME-OAEP with SHA-1 and no label, as RFC 8017 has it.
fn oaep(message: &[u8], size: usize) -> Option<Vec<u8>> {
    let no_label = sha1(&[]);
    let room = size.checked_sub(2 * no_label.len() + 2)?.checked_sub(message.len())?;
    let block = [&no_label, vec![0; room].as_slice(), &[1], message].concat();
    let mut seed = [0; 20];
    SystemRandom::new().fill(&mut seed).ok()?;
    let block = masked(&block, &mask(&seed, block.len()));
    let seed = masked(&seed, &mask(&block, seed.len()));
    Some([&[0], seed.as_slice(), &block].concat())
}

/// MGF1 with SHA-1.
fn mask(seed: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length + 20);
    for counter in 0u32.. {
        if out.len() >= length {
            break;
        }
        out.extend(sha1(&[seed, &counter.to_be_bytes()]));
    }
    out.truncate(length);
    out
}

/// Modulus and exponent of an RSA key in its SubjectPublicKeyInfo.
fn rsa_numbers(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, _) = element(0x30, key)?;
    let (_algorithm, rest) = element(0x30, info)?;
    let (bits, _) = element(0x03, rest)?;
    let (numbers, _) = element(0x30, bits.strip_prefix(&[0])?)?;
    let (modulus, rest) = element(0x02, numbers)?;
    let (exponent, _) = element(0x02, rest)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    ((64..=MAX_KEY).contains(&modulus.len()) && exponent.len() <= 8).then_some((modulus, exponent))
}

/// The content of a DER element with this tag at the front, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(a, rest)| (usize::from(*a), rest))?,
        0x82 => rest.split_first_chunk().map(|(a, rest)| (usize::from(u16::from_be_bytes(*a)), rest))?,
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK1xP6mZ+0RWXvVQv8eOeJ0Zz4F8Qm0m
Yb8nTz2gVq0B1yZ0r9Zc5R0mJqz8q0l5u0mQWJ3oJ7YQ6f5oVq3q2t8CAwEAAQ==
-----END PUBLIC KEY-----";

    #[test]
    fn a_server_that_knows_the_hash_can_check_the_proof() {
        let nonce = b"01234567890123456789";
        let stored = sha1(&[&sha1(&[b"sesame"])]);
        let once = masked(&native("sesame", nonce), &sha1(&[nonce, &stored]));
        assert_eq!(sha1(&[&once]), stored);
        let stored = sha256(&[&sha256(&[b"sesame"])]);
        let once = masked(&caching_sha2("sesame", nonce), &sha256(&[&stored, nonce]));
        assert_eq!(sha256(&[&once]), stored);
    }

    /// What signs with the hash of a seed is Ed25519 itself, so anybody's implementation can check it.
    #[test]
    fn a_signature_of_the_nonce_is_one_of_ed25519() {
        use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
        let password = "thirty-two letters as a password";
        let pair = Ed25519KeyPair::from_seed_unchecked(password.as_bytes()).unwrap();
        let proof = ed25519(password, b"0123456789abcdef0123456789abcdef").unwrap();
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        key.verify(b"0123456789abcdef0123456789abcdef", &proof).unwrap();
        key.verify(b"another nonce", &proof).unwrap_err();
    }

    #[test]
    fn a_key_is_taken_apart() {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(KEY).unwrap();
        let (modulus, exponent) = rsa_numbers(der.as_ref()).unwrap();
        assert_eq!((modulus.len(), exponent), (64, &[1, 0, 1][..]));
        let sent = for_key("sesame", b"01234567890123456789", KEY).unwrap();
        assert_eq!(sent.len(), 64);
        assert_ne!(sent, for_key("sesame", b"01234567890123456789", KEY).unwrap(), "padded anew each time");
        assert_eq!(for_key(&"x".repeat(64), b"nonce", KEY), None, "no room for it");
        assert_eq!(
            for_key("sesame", b"nonce", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
            None
        );
    }

    #[test]
    fn the_padding_opens_again() {
        let padded = oaep(b"message", 64).unwrap();
        let (seed, block) = padded[1..].split_at(20);
        let seed = masked(seed, &mask(block, 20));
        let block = masked(block, &mask(&seed, block.len()));
        assert!(block.starts_with(&sha1(&[])) && block.ends_with(b"\x01message"));
    }
}

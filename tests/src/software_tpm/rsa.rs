//! RSA of 2048 bits with private keys that are quick to make and to use: the modulus is the product
//! of eight primes, where real ones have two. That is not safe, and is what tests need: each step of
//! an exchange has two private-key operations, and the tests have tens of thousands of exchanges.

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

const EXPONENT: u32 = 65_537;
const PRIMES: usize = 8;

pub(super) struct PrivateKey {
    modulus: BigUint,
    parts: Vec<Part>,
}

/// What decryption needs of one prime, for the Chinese remainder theorem.
struct Part {
    prime: BigUint,
    exponent: BigUint,
    /// 1 modulo this prime, 0 modulo all others.
    unit: BigUint,
}

impl PrivateKey {
    /// The key that this text stands for.
    pub(super) fn generate(seed: &str) -> Self {
        let one = BigUint::from(1u32);
        let mut counter = 0;
        let mut primes: Vec<BigUint> = Vec::new();
        while primes.len() < PRIMES {
            let prime = next_prime(seed, &mut counter);
            if !primes.contains(&prime) {
                primes.push(prime);
            }
        }
        let modulus: BigUint = primes.iter().product();
        assert_eq!(modulus.bits(), 2048);
        let parts = primes.into_iter().map(|prime| {
            let others = &modulus / &prime;
            let unit = &others * (&others % &prime).modinv(&prime).unwrap();
            let exponent = BigUint::from(EXPONENT).modinv(&(&prime - &one)).unwrap();
            Part { prime, exponent, unit }
        });
        Self { parts: parts.collect(), modulus }
    }

    pub(super) fn modulus_bytes(&self) -> Vec<u8> {
        self.modulus.to_bytes_be()
    }

    /// RSA-OAEP with SHA-256.
    pub(super) fn decrypt(&self, cipher: &[u8], label: &str) -> Result<Vec<u8>, &'static str> {
        let cipher = BigUint::from_bytes_be(cipher);
        if cipher >= self.modulus {
            return Err("a cipher text that is no number below the modulus");
        }
        let sum: BigUint = (self.parts.iter())
            .map(|part| (&cipher % &part.prime).modpow(&part.exponent, &part.prime) * &part.unit)
            .sum();
        let number = (sum % &self.modulus).to_bytes_be();
        let mut block = vec![0; 256 - number.len()];
        block.extend(number);

        let (seed, data) = block[1..].split_at(32);
        let seed = masked(seed, data);
        let data = masked(data, &seed);
        let label = Sha256::digest([label.as_bytes(), &[0]].concat());
        let message = data[32..].iter().position(|byte| *byte != 0).map(|at| 32 + at);
        match message {
            Some(at) if block[0] == 0 && data[..32] == *label && data[at] == 1 => {
                Ok(data[at + 1..].to_vec())
            }
            _ => Err("encrypted for another key, or damaged"),
        }
    }
}

/// MGF1 with SHA-256, applied by exclusive or.
fn masked(data: &[u8], seed: &[u8]) -> Vec<u8> {
    let mask = (0u32..).flat_map(|n| Sha256::digest([seed, &n.to_be_bytes()[..]].concat()));
    data.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// A prime of 256 bits, large enough for eight of them to have 2048.
fn next_prime(seed: &str, counter: &mut u32) -> BigUint {
    loop {
        let mut bytes = Sha256::digest(format!("{seed} {counter}"));
        *counter += 1;
        bytes[0] |= 0xf8;
        bytes[31] |= 1;
        let number = BigUint::from_bytes_be(&bytes);
        let one = BigUint::from(1u32);
        if is_prime(&number) && (&number - &one) % EXPONENT != BigUint::ZERO {
            return number;
        }
    }
}

/// Miller and Rabin's test, with as many witnesses as numbers out of a hash need.
fn is_prime(number: &BigUint) -> bool {
    let small = [3u32, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71];
    if small.iter().any(|prime| number % prime == BigUint::ZERO) {
        return false;
    }
    let one = BigUint::from(1u32);
    let minus_one = number - &one;
    let twos = minus_one.trailing_zeros().unwrap();
    let odd = &minus_one >> twos;
    [2u32, 3, 5, 7, 11, 13, 17, 19].iter().all(|witness| {
        let mut power = BigUint::from(*witness).modpow(&odd, number);
        if power == one || power == minus_one {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % number;
            power == minus_one
        })
    })
}

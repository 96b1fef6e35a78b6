//! The messages of SCRAM (RFC 5802, RFC 7677): a proof that one knows the password, both ways.

use std::num::NonZeroU32;

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use super::ScramHash;
use crate::limits::{SCRAM_ROUNDS_MAX, SCRAM_ROUNDS_MIN};

/// An exchange that has begun.
pub(super) struct Scram<'a> {
    hash: ScramHash,
    password: &'a str,
    /// The first message without its head.
    first: String,
    nonce: String,
}

/// What a broker that knows the password says in the end.
pub(super) struct Expected(String);

impl<'a> Scram<'a> {
    /// Begins with a nonce of its own.
    pub(super) fn begin(hash: ScramHash, username: &str, password: &'a str) -> Result<Scram<'a>, String> {
        let mut nonce = [0; 24];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "the system has no random numbers".to_owned())?;
        Ok(Scram::with_nonce(hash, username, password, base64_of(&nonce)))
    }

    fn with_nonce(hash: ScramHash, username: &str, password: &'a str, nonce: String) -> Scram<'a> {
        let username = username.replace('=', "=3D").replace(',', "=2C");
        Scram { hash, password, first: format!("n={username},r={nonce}"), nonce }
    }

    /// The first message.
    pub(super) fn first(&self) -> Vec<u8> {
        format!("{HEAD}{}", self.first).into_bytes()
    }

    /// The proof that answers the broker's challenge, and what the broker has to say to it.
    pub(super) fn answer(&self, challenge: &[u8]) -> Result<(Vec<u8>, Expected), String> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| "its challenge is no text".to_owned())?;
        let field = |name: &str| {
            let mut fields = challenge.split(',');
            fields
                .find_map(|field| field.strip_prefix(name))
                .ok_or_else(|| format!("its challenge has no {name}"))
        };
        let (nonce, salt, rounds) = (field("r=")?, field("s=")?, field("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("its nonce does not go on from ours".to_owned());
        }
        let salt = bytes_of(salt).ok_or("its salt is no base64")?;
        let rounds: u32 = rounds.parse().map_err(|_| "its rounds are no number".to_owned())?;
        if !(SCRAM_ROUNDS_MIN..=SCRAM_ROUNDS_MAX).contains(&rounds) {
            return Err(format!(
                "it asks for {rounds} rounds, {SCRAM_ROUNDS_MIN} to {SCRAM_ROUNDS_MAX} are sane"
            ));
        }
        let unproven = format!("c={},r={nonce}", base64_of(HEAD.as_bytes()));
        let signed = format!("{},{challenge},{unproven}", self.first);

        let salted = self.salted(&salt, rounds);
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = digest::digest(self.digest(), &client_key);
        let signature = self.sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let server_key = self.sign(&salted, b"Server Key");
        let expected = self.sign(&server_key, signed.as_bytes());
        let answer = format!("{unproven},p={}", base64_of(&proof));
        Ok((answer.into_bytes(), Expected(format!("v={}", base64_of(&expected)))))
    }

    fn salted(&self, salt: &[u8], rounds: u32) -> Vec<u8> {
        let algorithm = match self.hash {
            ScramHash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            ScramHash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let rounds = NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MIN);
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(algorithm, rounds, salt, self.password.as_bytes(), &mut salted);
        salted
    }

    fn sign(&self, key: &[u8], text: &[u8]) -> Vec<u8> {
        let algorithm = match self.hash {
            ScramHash::Sha256 => hmac::HMAC_SHA256,
            ScramHash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec()
    }

    fn digest(&self) -> &'static digest::Algorithm {
        match self.hash {
            ScramHash::Sha256 => &digest::SHA256,
            ScramHash::Sha512 => &digest::SHA512,
        }
    }
}

impl Expected {
    /// Whether that is what the broker said; extensions may stand behind it.
    pub(super) fn is(&self, said: &[u8]) -> bool {
        said.split(|byte| *byte == b',').next() == Some(self.0.as_bytes())
    }
}

fn base64_of(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

/// No channel binding.
const HEAD: &str = "n,,";

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(hash: ScramHash, challenge: &str) -> (String, String) {
        let scram = Scram::with_nonce(hash, "user", "pencil", "rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(scram.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (answer, expected) = scram.answer(challenge.as_bytes()).unwrap();
        assert!(expected.is(expected.0.as_bytes()) && expected.is(format!("{},x=1", expected.0).as_bytes()));
        assert!(!expected.is(b"v=") && !expected.is(b"e=invalid-proof"));
        (String::from_utf8(answer).unwrap(), expected.0)
    }

    #[test]
    fn the_exchange_of_rfc_7677() {
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let (answer, expected) =
            exchange(ScramHash::Sha256, &format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, format!("c=biws,r={nonce},p={proof}"));
        assert_eq!(expected, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn a_challenge_that_is_none_is_refused() {
        let scram = Scram::with_nonce(ScramHash::Sha512, "a=b,c", "p", "abc".to_owned());
        assert_eq!(scram.first(), b"n,,n=a=3Db=2Cc,r=abc");
        for (challenge, why) in [
            ("r=abcd,s=AAAA,i=4096", None),
            ("r=abc,s=AAAA,i=4096", Some("nonce")),
            ("r=xyz,s=AAAA,i=4096", Some("nonce")),
            ("r=abcd,s=AAAA,i=1", Some("rounds")),
            ("r=abcd,s=AAAA,i=2000000000", Some("rounds")),
            ("r=abcd,s=?,i=4096", Some("salt")),
            ("r=abcd,s=AAAA", Some("i=")),
            ("e=other-error", Some("r=")),
        ] {
            match (scram.answer(challenge.as_bytes()), why) {
                (Ok(_), None) => {}
                (Err(reason), Some(why)) => assert!(reason.contains(why), "{challenge}: {reason}"),
                (result, _) => panic!("{challenge}: {:?}", result.map(|_| ())),
            }
        }
        assert!(scram.answer(&[0xFF]).is_err());
    }
}

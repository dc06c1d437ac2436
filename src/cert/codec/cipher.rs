//! The block ciphers that private keys and stores are found encrypted with, in CBC mode with the padding of PKCS#7.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use des::{Des, TdesEde2, TdesEde3};
use rc2::Rc2;
use zeroize::Zeroizing;

/// A cipher, always in CBC mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Des,
    /// With two keys.
    TripleDes2,
    /// With three keys.
    TripleDes3,
    /// With as many effective bits as the key has.
    Rc2 {
        /// Bytes of the key.
        key: usize,
    },
}

impl Cipher {
    /// Bytes of its key.
    pub(super) fn key_length(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 | Self::TripleDes2 => 16,
            Self::Aes192 | Self::TripleDes3 => 24,
            Self::Aes256 => 32,
            Self::Rc2 { key } => key,
        }
    }

    /// Bytes of its block and so of its initialisation vector.
    pub(super) fn block_length(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Des | Self::TripleDes2 | Self::TripleDes3 | Self::Rc2 { .. } => 8,
        }
    }

    /// What was encrypted; `None` where no padding is at its end, which is the wrong key or damage.
    pub(super) fn decrypt(self, key: &[u8], vector: &[u8], data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Aes128 => cbc::<Aes128>(key, vector, data),
            Self::Aes192 => cbc::<Aes192>(key, vector, data),
            Self::Aes256 => cbc::<Aes256>(key, vector, data),
            Self::Des => cbc::<Des>(key, vector, data),
            Self::TripleDes2 => cbc::<TdesEde2>(key, vector, data),
            Self::TripleDes3 => cbc::<TdesEde3>(key, vector, data),
            Self::Rc2 { .. } => cbc::<Rc2>(key, vector, data),
        }
    }

    /// Encrypted, with padding; `None` where key or vector have not the cipher's lengths.
    pub(super) fn encrypt(self, key: &[u8], vector: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            // The one that is still written, for old readers.
            Self::TripleDes3 => {
                let mode = cbc::Encryptor::<TdesEde3>::new_from_slices(key, vector).ok()?;
                Some(mode.encrypt_padded_vec::<Pkcs7>(plain))
            }
            Self::Aes128 | Self::Aes192 | Self::Aes256 | Self::Des | Self::TripleDes2 | Self::Rc2 { .. } => None,
        }
    }
}

fn cbc<C: KeyInit + BlockCipherDecrypt>(key: &[u8], vector: &[u8], data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mode = cbc::Decryptor::<C>::new_from_slices(key, vector).ok()?;
    let mut out = Zeroizing::new(data.to_vec());
    let length = mode.decrypt_padded::<Pkcs7>(&mut out).ok()?.len();
    out.truncate(length);
    Some(out)
}

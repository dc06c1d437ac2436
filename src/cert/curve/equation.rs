//! Curves over prime fields by their equations, and whether a point is on one.

use std::sync::LazyLock;

use super::Point;
use crate::cert::natural::Natural;

/// `y² = x³ + ax + b` modulo a prime (SEC 1 section 2.2.1).
pub(super) struct Equation {
    prime: Natural,
    a: Natural,
    b: Natural,
}

impl Equation {
    /// That of the curve with this object identifier (content octets), if it is listed.
    pub(super) fn of(curve: &[u8]) -> Option<&'static Self> {
        EQUATIONS.iter().find(|(identifier, _)| *identifier == curve).map(|(_, equation)| equation)
    }

    /// Whether there is such a point: coordinates below the prime, of as many octets as it (SEC 1 section 2.3.4), that solve the equation.
    pub(super) fn has(&self, point: Point<'_>) -> bool {
        let solved = match point {
            Point::Full(x, y) => self.coordinate(x).zip(self.coordinate(y)).and_then(|(x, y)| self.solves(&x, &y)),
            Point::Compressed(_, x) => self.coordinate(x).and_then(|x| self.has_root(&self.right(&x)?)),
        };
        solved == Some(true)
    }

    fn coordinate(&self, octets: &[u8]) -> Option<Natural> {
        let fits = octets.len() == self.prime.bits().div_ceil(8);
        fits.then(|| Natural::from_be(octets)).filter(|number| *number < self.prime)
    }

    fn solves(&self, x: &Natural, y: &Natural) -> Option<bool> {
        Some(y.times(y).modulo(&self.prime)? == self.right(x)?)
    }

    fn right(&self, x: &Natural) -> Option<Natural> {
        x.times(x).plus(&self.a).modulo(&self.prime)?.times(x).plus(&self.b).modulo(&self.prime)
    }

    /// Whether the number is a square other than zero, by Euler's criterion: raised to half of what is one below the prime it leaves one.
    /// Costs a thousand times as much as to see that a given root is one.
    fn has_root(&self, number: &Natural) -> Option<bool> {
        let exponent = self.prime.less_one();
        let mut power = number.modulo(&self.prime)?;
        for at in (1..exponent.bits() - 1).rev() {
            power = power.times(&power).modulo(&self.prime)?;
            if exponent.bit(at) {
                power = power.times(number).modulo(&self.prime)?;
            }
        }
        Some(power.is_one())
    }
}

static EQUATIONS: LazyLock<Vec<(&[u8], Equation)>> = LazyLock::new(|| {
    let of = |(identifier, numbers): &(&'static [u8], [&[u64]; 3])| {
        let [prime, a, b] = numbers.map(Natural::from_words);
        (*identifier, Equation { prime, a, b })
    };
    NUMBERS.iter().map(of).collect()
});

/// The object identifiers of curves (content octets) with prime, a and b, their words from the highest on: SEC 2 sections 2.2 to 2.6 and
/// RFC 5639 sections 3.4, 3.6 and 3.7.
const NUMBERS: &[(&[u8], [&[u64]; 3])] = &[
    // P-256: 1.2.840.10045.3.1.7
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
        [
            &[0xffff_ffff_0000_0001, 0, 0xffff_ffff, 0xffff_ffff_ffff_ffff],
            &[0xffff_ffff_0000_0001, 0, 0xffff_ffff, 0xffff_ffff_ffff_fffc],
            &[0x5ac6_35d8_aa3a_93e7, 0xb3eb_bd55_7698_86bc, 0x651d_06b0_cc53_b0f6, 0x3bce_3c3e_27d2_604b],
        ],
    ),
    // P-384: 1.3.132.0.34
    (
        &[0x2b, 0x81, 4, 0, 34],
        [
            &[
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_fffe,
                0xffff_ffff_0000_0000,
                0xffff_ffff,
            ],
            &[
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_fffe,
                0xffff_ffff_0000_0000,
                0xffff_fffc,
            ],
            &[
                0xb331_2fa7_e23e_e7e4,
                0x988e_056b_e3f8_2d19,
                0x181d_9c6e_fe81_4112,
                0x314_088f_5013_875a,
                0xc656_398d_8a2e_d19d,
                0x2a85_c8ed_d3ec_2aef,
            ],
        ],
    ),
    // P-521: 1.3.132.0.35
    (
        &[0x2b, 0x81, 4, 0, 35],
        [
            &[
                0x1ff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
            ],
            &[
                0x1ff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_ffff,
                0xffff_ffff_ffff_fffc,
            ],
            &[
                0x51,
                0x953e_b961_8e1c_9a1f,
                0x929a_21a0_b685_40ee,
                0xa2da_725b_99b3_15f3,
                0xb8b4_8991_8ef1_09e1,
                0x5619_3951_ec7e_937b,
                0x1652_c0bd_3bb1_bf07,
                0x3573_df88_3d2c_34f1,
                0xef45_1fd4_6b50_3f00,
            ],
        ],
    ),
    // P-192: 1.2.840.10045.3.1.1
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 1],
        [
            &[0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff],
            &[0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_fffc],
            &[0x6421_0519_e59c_80e7, 0xfa7_e9ab_7224_3049, 0xfeb8_deec_c146_b9b1],
        ],
    ),
    // P-224: 1.3.132.0.33
    (
        &[0x2b, 0x81, 4, 0, 33],
        [
            &[0xffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000, 1],
            &[0xffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_ffff, 0xffff_ffff_ffff_fffe],
            &[0xb405_0a85, 0xc04_b3ab_f541_3256, 0x5044_b0b7_d7bf_d8ba, 0x270b_3943_2355_ffb4],
        ],
    ),
    // secp256k1: 1.3.132.0.10
    (
        &[0x2b, 0x81, 4, 0, 10],
        [&[0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_fffe_ffff_fc2f], &[], &[7]],
    ),
    // brainpoolP256r1: 1.3.36.3.3.2.8.1.1.7
    (
        &[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 7],
        [
            &[0xa9fb_57db_a1ee_a9bc, 0x3e66_0a90_9d83_8d72, 0x6e3b_f623_d526_2028, 0x2013_481d_1f6e_5377],
            &[0x7d5a_0975_fc2c_3057, 0xeef6_7530_417a_ffe7, 0xfb80_55c1_26dc_5c6c, 0xe94a_4b44_f330_b5d9],
            &[0x26dc_5c6c_e94a_4b44, 0xf330_b5d9_bbd7_7cbf, 0x9584_1629_5cf7_e1ce, 0x6bcc_dc18_ff8c_07b6],
        ],
    ),
    // brainpoolP384r1: 1.3.36.3.3.2.8.1.1.11
    (
        &[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 11],
        [
            &[
                0x8cb9_1e82_a338_6d28,
                0xf5d_6f7e_50e6_41df,
                0x152f_7109_ed54_56b4,
                0x12b1_da19_7fb7_1123,
                0xacd3_a729_901d_1a71,
                0x8747_0013_3107_ec53,
            ],
            &[
                0x7bc3_82c6_3d8c_150c,
                0x3c72_080a_ce05_afa0,
                0xc2be_a28e_4fb2_2787,
                0x1391_65ef_ba91_f90f,
                0x8aa5_814a_503a_d4eb,
                0x4a8_c7dd_22ce_2826,
            ],
            &[
                0x4a8_c7dd_22ce_2826,
                0x8b39_b554_16f0_447c,
                0x2fb7_7de1_07dc_d2a6,
                0x2e88_0ea5_3eeb_62d5,
                0x7cb4_3902_95db_c994,
                0x3ab7_8696_fa50_4c11,
            ],
        ],
    ),
    // brainpoolP512r1: 1.3.36.3.3.2.8.1.1.13
    (
        &[0x2b, 0x24, 3, 3, 2, 8, 1, 1, 13],
        [
            &[
                0xaadd_9db8_dbe9_c48b,
                0x3fd4_e6ae_33c9_fc07,
                0xcb30_8db3_b3c9_d20e,
                0xd663_9cca_7033_0871,
                0x7d4d_9b00_9bc6_6842,
                0xaecd_a12a_e6a3_80e6,
                0x2881_ff2f_2d82_c685,
                0x28aa_6056_583a_48f3,
            ],
            &[
                0x7830_a331_8b60_3b89,
                0xe232_7145_ac23_4cc5,
                0x94cb_dd8d_3df9_1610,
                0xa834_41ca_ea98_63bc,
                0x2ded_5d5a_a825_3aa1,
                0xa2e_f1c9_8b9a_c8b5,
                0x7f11_17a7_2bf2_c7b9,
                0xe7c1_ac4d_77fc_94ca,
            ],
            &[
                0x3df9_1610_a834_41ca,
                0xea98_63bc_2ded_5d5a,
                0xa825_3aa1_0a2e_f1c9,
                0x8b9a_c8b5_7f11_17a7,
                0x2bf2_c7b9_e7c1_ac4d,
                0x77fc_94ca_dc08_3e67,
                0x9840_50b7_5eba_e5dd,
                0x2809_bd63_8016_f723,
            ],
        ],
    ),
];

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1,
        EcdsaVerificationAlgorithm, ParsedPublicKey,
    };

    use super::*;
    use crate::cert::codec::tlv::{Element, INTEGER, OBJECT, OCTETS, SEQUENCE};
    use crate::cert::key::tests::openssl;
    use crate::cert::spki::key_bits;

    /// As the table has them, by the names that OpenSSL gives them.
    const NAMES: [&str; 9] = [
        "prime256v1",
        "secp384r1",
        "secp521r1",
        "prime192v1",
        "secp224r1",
        "secp256k1",
        "brainpoolP256r1",
        "brainpoolP384r1",
        "brainpoolP512r1",
    ];

    fn all() -> impl Iterator<Item = (&'static str, &'static Equation)> {
        assert_eq!(NAMES.len(), EQUATIONS.len());
        NAMES.iter().copied().zip(EQUATIONS.iter().map(|(_, equation)| equation))
    }

    #[test]
    fn the_numbers_are_those_that_openssl_has() {
        for (name, equation) in all() {
            let named = openssl(&format!("ecparam -name {name} -outform DER"), b"");
            assert!(std::ptr::eq(Equation::of(Element::filling(&named).unwrap().content).unwrap(), equation), "{name}");
            let der = openssl(&format!("ecparam -name {name} -param_enc explicit -outform DER"), b"");
            let mut parts = Element::filling(&der).unwrap().inside();
            parts.expect(INTEGER).unwrap();
            let mut field = parts.expect(SEQUENCE).unwrap().inside();
            field.expect(OBJECT).unwrap();
            let prime = field.expect(INTEGER).unwrap().content;
            let mut coefficients = parts.expect(SEQUENCE).unwrap().inside();
            let [a, b] = [(); 2].map(|()| coefficients.expect(OCTETS).unwrap().content);
            for (number, wanted) in [(&equation.prime, prime), (&equation.a, a), (&equation.b, b)] {
                assert!(*number == Natural::from_be(wanted), "{name}");
            }
        }
        assert!(Equation::of(b"another").is_none());
    }

    fn has(equation: &Equation, octets: &[u8]) -> bool {
        Point::of(octets).is_some_and(|point| equation.has(point))
    }

    #[test]
    fn a_key_is_a_point_and_what_is_beside_it_is_none() {
        for (name, equation) in all() {
            let key = openssl(&format!("ecparam -name {name} -genkey -noout -outform DER"), b"");
            let octets = |form: &str| {
                let words = format!("ec -inform DER -pubout -outform DER -conv_form {form}");
                key_bits(&openssl(&words, &key)).unwrap().to_vec()
            };
            let (full, compressed) = (octets("uncompressed"), octets("compressed"));
            assert!(has(equation, &full) && has(equation, &compressed) && has(equation, &octets("hybrid")), "{name}");
            let (x, y) = full[1..].split_at(full.len() / 2);
            let with = |x: &[u8], y: &[u8]| has(equation, &[&[4], x, y].concat());
            let mut off = y.to_vec();
            *off.last_mut().unwrap() ^= 1;
            assert!(!with(x, &off) && !with(y, x), "{name}");
            let prime = equation.prime.to_be();
            let zeros = vec![0; x.len()];
            assert!(!with(&prime, y) && !with(x, &prime) && !with(&zeros, &zeros), "{name}");
            let [longer, shorter] = [[&[0], x].concat(), x[1..].to_vec()];
            assert!(!with(&longer, &[&[0], y].concat()) && !with(&shorter, &y[1..]), "{name}");
            assert!(!has(equation, &[&[2], prime.as_slice()].concat()), "{name}");
            // Half of all x have a y.
            let some = (0..64).filter(|last| {
                let mut x = compressed.clone();
                *x.last_mut().unwrap() = *last;
                has(equation, &x)
            });
            assert!((12..52).contains(&some.count()), "{name}");
        }
    }

    #[test]
    fn a_coordinate_that_is_the_prime_too_much_is_none() {
        // The one curve here whose octets have room for it.
        let (_, equation) = all().nth(2).unwrap();
        let one =
            (1_u8..=255).map(|x| [vec![2], vec![0; 65], vec![x]].concat()).find(|point| has(equation, point)).unwrap();
        let more = Natural::from_be(&one[1..]).plus(&equation.prime).to_be();
        assert_eq!(more.len(), 66);
        assert!(!has(equation, &[&[2], more.as_slice()].concat()));
    }

    #[test]
    fn the_cryptographic_library_has_the_same_points() {
        let of = |name: &str| all().find(|(one, _)| *one == name).unwrap().1;
        let both: [(_, &EcdsaVerificationAlgorithm); 4] = [
            (of("prime256v1"), &ECDSA_P256_SHA256_ASN1),
            (of("secp384r1"), &ECDSA_P384_SHA384_ASN1),
            (of("secp521r1"), &ECDSA_P521_SHA512_ASN1),
            (of("secp256k1"), &ECDSA_P256K1_SHA256_ASN1),
        ];
        for (equation, library) in both {
            let length = equation.prime.bits().div_ceil(8);
            for seed in 0_u8..100 {
                let mut x: Vec<u8> =
                    (0..length).map(|at| seed.wrapping_mul(37) ^ at.to_le_bytes()[0].wrapping_mul(91)).collect();
                if length == 66 {
                    x[0] &= 1;
                }
                for form in [2, 3] {
                    let octets = [&[form], x.as_slice()].concat();
                    let known = ParsedPublicKey::new(library, &octets).is_ok();
                    assert_eq!(has(equation, &octets), known, "{library:?}: {octets:x?}");
                }
            }
        }
    }
}

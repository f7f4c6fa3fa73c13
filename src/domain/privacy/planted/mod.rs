//! For tests: something of every kind that the guard looks for, made at run time, in every place of a prompt and in every
//! writing that the guard claims to see through.
//!
//! The list of kinds is the guard's own: [`plant`] has an arm for each, so that a new kind does not compile without one.

mod chance;
mod place;
mod value;
mod writing;

use std::sync::Arc;

pub(crate) use chance::Chance;
pub(crate) use place::{Place, conversation, strings};
pub(crate) use writing::Writing;

use super::intent::{Intent, Named};
use super::{FindingKind, Handling};

/// A finding to be, with the words around it that give it away.
#[derive(Clone, Debug)]
pub(crate) struct Planted {
    pub kind: FindingKind,
    /// What stands before it.
    pub before: String,
    /// What must not leave.
    pub value: String,
    /// What stands behind it.
    pub after: String,
    /// The shortest text that shows that it left: the value, or where that is a few signs only, more than it.
    pub trace: String,
}

impl Planted {
    fn new(kind: FindingKind, before: &str, value: impl Into<String>, after: &str) -> Self {
        let value = value.into();
        Self { kind, before: before.to_owned(), trace: value.clone(), value, after: after.to_owned() }
    }

    /// The whole sentence.
    pub(crate) fn sentence(&self) -> String {
        format!("{}{}{}", self.before, self.value, self.after)
    }
}

/// The name of the intent that [`named`] gives, and what shows it.
pub(crate) const PHRASES: [&str; 3] = ["Project Falcon", "Operation Night Heron", "猎鹰计划"];

/// An operator's intent, so that there is one to be found.
pub(crate) fn named(handling: Handling) -> Arc<Named> {
    let phrases = PHRASES.map(str::to_owned).to_vec();
    Arc::new(Named::compile(vec![Intent { name: "falcon".to_owned(), phrases, handling }]).expect("it is in order"))
}

/// Something of a kind.
pub(crate) fn plant(kind: FindingKind, chance: &mut Chance) -> Planted {
    use FindingKind as Kind;
    let (before, value, after) = match kind {
        Kind::Email => value::email(chance),
        Kind::Phone => value::phone(chance),
        Kind::Card => value::card(chance),
        Kind::Iban => value::iban(chance),
        Kind::BankAccount => value::bank_account(chance),
        Kind::CryptoWallet => value::wallet(chance),
        Kind::NationalId => value::national(chance),
        Kind::HealthId => value::health(chance),
        Kind::Passport => ("my passport is ", format!("C{}", chance.number(8)), " I think"),
        Kind::DrivingLicence => (
            "my driver's license number is ",
            format!("S{}-{}-{}", chance.number(3), chance.number(4), chance.number(4)),
            " since",
        ),
        Kind::IpAddress => value::host(chance),
        Kind::LocalIp => value::local_host(chance),
        Kind::Url => value::site(chance),
        Kind::Name => value::name(chance),
        Kind::Address => value::address(chance),
        Kind::BirthDate => value::birth_date(chance),
        Kind::Key => value::key(chance),
        Kind::PrivateKey => value::private_key(chance),
        Kind::Password => value::password(chance),
        Kind::Place => ("we moved to ", chance.of(&["Iceland", "Norway", "Portugal", "Kenya"]).to_owned(), " then"),
        Kind::Organisation => {
            let name = chance.of(&["Brightwater", "Quillfeather", "Stonebarrow"]);
            ("it was sold by ", format!("{name} {} Inc", chance.of(&["Widgets", "Holdings"])), " then")
        }
        Kind::Date => (
            "it was seen on ",
            format!("20{}-0{}-1{}", chance.of(&[14, 19, 23]), 1 + chance.below(9), chance.below(9)),
            " again",
        ),
        Kind::Age => ("she is ", (30 + chance.below(60)).to_string(), " years old"),
        Kind::Title => ("ask ", chance.of(&["Dr.", "Prof.", "Mrs."]).to_owned(), " Quillfeather"),
        Kind::Confidential => value::confidential(chance),
        Kind::PersonalRecords => value::personal_records(chance),
        Kind::ProprietaryCode => value::proprietary_code(chance),
        Kind::StayLocal => value::stay_local(chance),
        Kind::Attack => value::attack(chance),
        Kind::Named => ("tell me of ", chance.of(&PHRASES).to_owned(), " again"),
    };
    let mut planted = Planted::new(kind, before, value, after);
    if matches!(kind, Kind::Age | Kind::Title) {
        planted.trace = format!("{}{}", planted.value, planted.after);
    }
    planted
}

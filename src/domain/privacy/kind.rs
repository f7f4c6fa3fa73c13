//! The kinds of sensitive text, and what the guard does about each unless it is told otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Handling;

/// What kind of sensitive text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// A payment card number with a valid checksum.
    Card,
    /// An international bank account number with a valid checksum.
    Iban,
    /// A number of a bank account, with the words beside it that say so.
    BankAccount,
    /// The address of a crypto wallet.
    CryptoWallet,
    /// A national identity, insurance or tax number.
    NationalId,
    /// A number under which a health service or insurer knows a person.
    HealthId,
    /// A passport number.
    Passport,
    /// A driving licence number.
    DrivingLicence,
    /// An IP address that is not a private or documentation one.
    IpAddress,
    /// An IP address that means nothing outside its own network: private, loopback, link-local or documentation.
    LocalIp,
    /// The address of a page or a site.
    Url,
    /// A person's name.
    Name,
    /// A street address.
    Address,
    /// A date of birth.
    BirthDate,
    /// A provider's key or token.
    Key,
    /// A private key.
    PrivateKey,
    /// A password in a URL, a connection string or an assignment.
    Password,
    /// A country or a large city.
    Place,
    /// A company, by its legal form.
    Organisation,
    /// Any other date.
    Date,
    /// How old somebody is.
    Age,
    /// A form of address.
    Title,

    // ---- private intents: what the prompt is about, rather than what stands in it ----
    /// Internal papers, matters of the business, running systems, inventions.
    Confidential,
    /// Records on people: patients, employees, customers.
    PersonalRecords,
    /// Source code that is not public.
    ProprietaryCode,
    /// The prompt itself says that it must not leave.
    StayLocal,
    /// An attempt to turn a model against its owner: overriding its rules, playing a part without bounds, getting at
    /// hidden instructions or credentials.
    Attack,
    /// An intent that the operator named; the finding says which.
    Named,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 30] = [
        Self::Email,
        Self::Phone,
        Self::Card,
        Self::Iban,
        Self::BankAccount,
        Self::CryptoWallet,
        Self::NationalId,
        Self::HealthId,
        Self::Passport,
        Self::DrivingLicence,
        Self::IpAddress,
        Self::LocalIp,
        Self::Url,
        Self::Name,
        Self::Address,
        Self::BirthDate,
        Self::Key,
        Self::PrivateKey,
        Self::Password,
        Self::Place,
        Self::Organisation,
        Self::Date,
        Self::Age,
        Self::Title,
        Self::Confidential,
        Self::PersonalRecords,
        Self::ProprietaryCode,
        Self::StayLocal,
        Self::Attack,
        Self::Named,
    ];

    /// The name used in configuration and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Card => "card",
            Self::Iban => "iban",
            Self::BankAccount => "bank_account",
            Self::CryptoWallet => "crypto_wallet",
            Self::NationalId => "national_id",
            Self::HealthId => "health_id",
            Self::Passport => "passport",
            Self::DrivingLicence => "driving_licence",
            Self::IpAddress => "ip_address",
            Self::LocalIp => "local_ip",
            Self::Url => "url",
            Self::Name => "name",
            Self::Address => "address",
            Self::BirthDate => "birth_date",
            Self::Key => "key",
            Self::PrivateKey => "private_key",
            Self::Password => "password",
            Self::Place => "place",
            Self::Organisation => "organisation",
            Self::Date => "date",
            Self::Age => "age",
            Self::Title => "title",
            Self::Confidential => "confidential",
            Self::PersonalRecords => "personal_records",
            Self::ProprietaryCode => "proprietary_code",
            Self::StayLocal => "stay_local",
            Self::Attack => "attack",
            Self::Named => "named",
        }
    }

    /// What the guard does about this kind unless it is configured otherwise.
    ///
    /// What singles out a person or opens a door stays on this machine. A name alone is shown: most names in prompts
    /// are famous or made up, and a guard that keeps those prompts would soon be switched off. Sites, places, companies
    /// and dates are not looked for at all.
    #[must_use]
    pub const fn default_handling(self) -> Handling {
        match self {
            Self::Email
            | Self::Phone
            | Self::Card
            | Self::Iban
            | Self::BankAccount
            | Self::CryptoWallet
            | Self::NationalId
            | Self::HealthId
            | Self::Passport
            | Self::DrivingLicence
            | Self::IpAddress
            | Self::Address
            | Self::BirthDate
            | Self::Key
            | Self::PrivateKey
            | Self::Password
            | Self::Confidential
            | Self::PersonalRecords
            | Self::ProprietaryCode
            | Self::StayLocal
            | Self::Attack
            | Self::Named => Handling::KeepLocal,
            Self::Name
            | Self::LocalIp
            | Self::Url
            | Self::Place
            | Self::Organisation
            | Self::Date
            | Self::Age
            | Self::Title => Handling::Allow,
        }
    }

    /// Whether a finding of this kind is a value that a placeholder can stand for. What a prompt is about has none:
    /// without the words that gave it away, it would still be about that.
    #[must_use]
    pub const fn is_a_value(self) -> bool {
        !matches!(
            self,
            Self::Confidential | Self::PersonalRecords | Self::ProprietaryCode | Self::StayLocal | Self::Attack
        )
    }

    /// The name under which collections of labelled text know this kind. `detail` is the finding's own: numbers of some
    /// countries have a name of their own.
    #[must_use]
    pub fn entity(self, detail: &str) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Phone => "PHONE",
            Self::Card => "CREDIT_CARD",
            Self::Iban => "IBAN",
            Self::BankAccount => "US_BANK_NUMBER",
            Self::CryptoWallet => "CRYPTO",
            Self::NationalId => match detail {
                "US social security number" => "US_SSN",
                "US taxpayer number" => "US_ITIN",
                "UK national insurance number" => "UK_NINO",
                _ => "NATIONAL_ID",
            },
            Self::HealthId => match detail {
                "UK NHS number" => "UK_NHS",
                _ => "HEALTH_ID",
            },
            Self::Passport => "US_PASSPORT",
            Self::DrivingLicence => "US_DRIVER_LICENSE",
            Self::IpAddress | Self::LocalIp => "IP_ADDRESS",
            Self::Url => "URL",
            Self::Name => "PERSON",
            Self::Address => "ADDRESS",
            Self::BirthDate | Self::Date => "DATE_TIME",
            Self::Key | Self::PrivateKey | Self::Password => "SECRET",
            Self::Place => "LOCATION",
            Self::Organisation => "ORGANIZATION",
            Self::Age => "AGE",
            Self::Title => "TITLE",
            Self::Confidential
            | Self::PersonalRecords
            | Self::ProprietaryCode
            | Self::StayLocal
            | Self::Attack
            | Self::Named => "INTENT",
        }
    }

    /// Which of two findings in one place is shown: the higher.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::PrivateKey => 20,
            // A URL with a password in it is wider than a token in it, and the wider of two alike is told.
            Self::Key | Self::Password => 19,
            Self::Email => 17,
            Self::Iban => 16,
            Self::Card => 15,
            Self::NationalId => 14,
            Self::HealthId => 13,
            Self::CryptoWallet => 12,
            Self::IpAddress | Self::LocalIp => 11,
            Self::Passport | Self::DrivingLicence => 10,
            Self::BankAccount => 9,
            Self::Phone => 8,
            Self::Url => 7,
            Self::BirthDate => 6,
            Self::Address => 5,
            Self::Date => 4,
            Self::Organisation => 3,
            Self::Name => 2,
            Self::Place | Self::Age | Self::Title => 1,
            Self::Confidential
            | Self::PersonalRecords
            | Self::ProprietaryCode
            | Self::StayLocal
            | Self::Attack
            | Self::Named => 0,
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// These kinds.
    #[must_use]
    pub const fn of(kinds: &[FindingKind]) -> Self {
        let mut all = Self(0);
        let mut at = 0;
        while at < kinds.len() {
            all = all.with(kinds[at]);
            at += 1;
        }
        all
    }

    /// Every kind.
    #[must_use]
    pub const fn all() -> Self {
        Self::of(&FindingKind::ALL)
    }

    /// The set with one more kind.
    #[must_use]
    pub const fn with(self, kind: FindingKind) -> Self {
        Self(self.0 | 1 << kind as u32)
    }

    /// The set without the kinds of another.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether a kind is in it.
    #[must_use]
    pub const fn has(self, kind: FindingKind) -> bool {
        self.0 >> kind as u32 & 1 == 1
    }

    /// Whether it has any kind of another.
    #[must_use]
    pub const fn has_any_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

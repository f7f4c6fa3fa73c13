//! Prompts that differ from each other as what people paste does: prose, code, data, talk, names and numbers.
//!
//! They are put together from words by chance that is the same in every run. So many of them are measured in turn that
//! nothing is near the processor but what would be there in life too.

/// Draws that are the same in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn pick(&mut self, words: &'static str) -> &'static str {
        let count = words.split_whitespace().count() as u64;
        let at = self.below(count) as usize;
        words.split_whitespace().nth(at).unwrap_or_default()
    }
}

const SMALL: &str = "the the the a an of of to to in in is are was and and or for with on at by from that this it as be has \
                     if not but we you they he she there which when who will can would could should about into over";
const COMMON: &str = "time year people way day man thing woman life child world school state family student group country \
                      problem hand part place case week company system program question work government number night \
                      point home water room mother area money story fact month lot right study book eye job word \
                      business issue side kind head house service friend father power hour game line end member law \
                      car city community name president team minute idea body information back parent face level office \
                      door health person art war history party result change morning reason research girl guy moment \
                      air teacher force education measure report system letter engine surface pressure market price \
                      weather garden kitchen bridge river mountain forest island harbour winter summer music paint \
                      language grammar sentence paper machine model network server memory storage signal circuit";
const ACTS: &str = "moved carried explained measured wrote found lost kept brought followed changed described reached opened \
                    closed answered compared counted repaired planted painted translated collected discovered argued \
                    refused agreed returned wondered remembered improved reduced increased depends shows means leads";
const STEMS: &str = "hydro photo chrono thermo electro micro macro neuro cardio geo bio meta para inter trans sub hyper poly \
                     mono anti counter over under pseudo crypto tele auto astro carto";
const ENDS: &str = "graphic metric logical statically dynamics genesis morphism plasm synthesis nomial lateral section ceptor \
                    duction mission sphere trophic scopic phonic centric kinetics valent genic lysis therapy mander fold";
const GIVEN: &str = "Ingrid Tomasz Aoife Bartholomew Mirela Kwame Yuki Oksana Thandiwe Rasmus Zeynep Caoimhe Dmitri Leocadia \
                     Ferdinand Noor Wilhelmina Percival Saoirse Anselm";
const FAMILY: &str = "Okonkwo Lindqvist Abernathy Szymanski Vandermeer Castellanos Whitcombe Nakagawa Petrosyan Halvorsen \
                      Drummond Montenegro Featherstone Ibragimov O'Callaghan Villanueva Krishnamurthy Bjornstad";
const ORDERS: &str =
    "Explain Summarise Translate Compare Describe Rewrite List Review Classify Outline Estimate Prove Fix";
const NAMES: &str = "user_id total_count fetchRows parseHeader maxRetries node buffer cursor left_child is_valid resultSet \
                     config payload timestamp windowSize lookup_table encode offset chunk handler";

fn word(chance: &mut Chance) -> String {
    match chance.below(20) {
        0..8 => chance.pick(SMALL).to_owned(),
        8..14 => chance.pick(COMMON).to_owned(),
        14..17 => chance.pick(ACTS).to_owned(),
        17 => format!("{}s", chance.pick(COMMON)),
        18 => format!("{}{}", chance.pick(STEMS), chance.pick(ENDS)),
        _ => chance.below(3_000).to_string(),
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn sentence(chance: &mut Chance) -> String {
    let mut words: Vec<String> = (0..6 + chance.below(14)).map(|_| word(chance)).collect();
    if let Some(first) = words.first_mut() {
        *first = capital(first);
    }
    if chance.below(3) == 0 {
        words.push(format!("{} {}", chance.pick(GIVEN), chance.pick(FAMILY)));
    }
    let middle = words.len() / 2;
    if let Some(word) = words.get_mut(middle) {
        word.push_str(["", ",", ",", ";", " –", " (as planned),", "’s"][chance.below(7) as usize]);
    }
    format!("{}{}", words.join(" "), [".", ".", ".", "?", "!", ":"][chance.below(6) as usize])
}

fn order(chance: &mut Chance) -> String {
    format!("{} the {} of this {}", chance.pick(ORDERS), word(chance), sentence(chance).to_lowercase())
}

fn code(chance: &mut Chance) -> String {
    let (name, other, third) = (chance.pick(NAMES), chance.pick(NAMES), chance.pick(NAMES));
    let number = chance.below(500);
    match chance.below(4) {
        0 => {
            format!("def {name}({other}, {third}=None):\n    if {third} is None:\n        return {other}[{number}:]\n")
        }
        1 => format!(
            "for (let {name} = 0; {name} < {other}.length; {name}++) {{\n  {third}.push({other}[{name}] * {number});\n}}\n"
        ),
        2 => format!(
            "    let {name}: Vec<u32> = {other}.iter().map(|x| x + {number}).collect(); // {}\n",
            sentence(chance)
        ),
        _ => format!("SELECT {name}, COUNT(*) FROM {other}s WHERE {third} >= {number} GROUP BY {name};\n"),
    }
}

fn data(chance: &mut Chance) -> String {
    let (name, other) = (chance.pick(NAMES), chance.pick(NAMES));
    format!(
        "{{\"{name}\": {}, \"{other}\": \"{} {}\", \"note\": \"{}\", \"share\": 0.{}}},\n",
        chance.below(100_000),
        chance.pick(GIVEN),
        chance.pick(FAMILY),
        sentence(chance),
        chance.below(1_000)
    )
}

fn talk(chance: &mut Chance) -> String {
    let who = ["User", "Assistant", "Customer", "Agent"][chance.below(4) as usize];
    format!("{who}: {} {}\n", sentence(chance), sentence(chance))
}

fn item(chance: &mut Chance) -> String {
    let (number, letter) = (chance.below(12), ["A)", "B)", "-", "*"][chance.below(4) as usize]);
    if chance.below(2) == 0 {
        format!("{number}. {}\n", sentence(chance))
    } else {
        format!("{letter} {}\n", word(chance))
    }
}

/// Prompts of exactly so many bytes each, all different.
pub(super) fn prompts(count: usize, bytes: usize) -> Vec<String> {
    let mut chance = Chance(17);
    let mut one = |kind: usize| {
        let mut text = order(&mut chance);
        text.push_str(["\n\n", "\n", " "][kind % 3]);
        while text.len() < bytes {
            // Of one kind mostly; now and then another stands between.
            let piece = if chance.below(5) == 0 { chance.below(6) as usize } else { kind % 6 };
            match piece {
                0 => text.push_str(&code(&mut chance)),
                1 => text.push_str(&data(&mut chance)),
                2 => text.push_str(&talk(&mut chance)),
                3 => text.push_str(&item(&mut chance)),
                _ => {
                    text.push_str(&sentence(&mut chance));
                    text.push_str(if chance.below(5) == 0 { "\n\n" } else { " " });
                }
            }
        }
        text.truncate(text.floor_char_boundary(bytes));
        text.extend(std::iter::repeat_n('.', bytes - text.len()));
        text
    };
    (0..count).map(&mut one).collect()
}

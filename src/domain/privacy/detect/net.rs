//! Mail addresses, sites and hosts.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::FindingKind as Kind;
use super::words::{Page, cue};
use super::{Hits, shape};

/// Endings of file names that look like those of sites.
const FILES: &str = " png jpg jpeg gif svg webp py js ts rs go sh md json yaml yml toml txt csv html css xml java cpp \
                     c h hpp ipynb pdf zip gz tar so dll exe log cfg ini conf lock rb php pl jsx tsx vue sql db bak \
                     map ";
/// Endings of sites beyond those of countries.
const SITES: &str = " com org net edu gov mil int info biz name pro app dev ai io cloud online site tech store shop \
                     xyz blog email live news space top club agency digital company solutions services group team \
                     world life today network systems center media design studio education academy health care \
                     finance bank law consulting software webcam museum travel jobs mobi asia cat tel aero coop \
                     local test example invalid ";
/// Endings of countries under which a bare name of two parts is more often a site than anything else.
const COUNTRIES: &str = " uk de fr es it nl be ch at pl cz sk hu ro bg gr pt se no dk fi ie ru ua eu us ca mx br ar cl co \
                     au nz jp cn kr in za tr il hk sg tw ";

/// Finds them.
pub fn find(page: &Page<'_>, hits: &mut Hits) {
    if hits.wants(Kind::Email) {
        for (at, _) in page.text.match_indices('@') {
            email(page, hits, at);
        }
    }
    let (wants_sites, wants_hosts) = (
        hits.wants(Kind::Url) || hits.wants(Kind::Password) || hits.wants(Kind::Key),
        hits.wants(Kind::IpAddress) || hits.wants(Kind::LocalIp),
    );
    let mut past = 0;
    for (index, word) in page.notable() {
        let next = page.byte(word.end);
        if next == b':' {
            if wants_sites && word.start >= past && page.slice(word.end, word.end + 3) == "://" {
                past = site(page, hits, word.start, word.end + 3);
            } else if wants_hosts && word.start >= past {
                past = past.max(host_v6(page, hits, index, word.start));
            }
        } else if wants_hosts && page.byte_before(word.start) == b':' && word.start >= past {
            past = past.max(host_v6(page, hits, index, word.start));
        }
        if next == b'.' && hits.wants(Kind::Url) && word.start >= past && page.byte_before(word.start) != b'@' {
            past = past.max(bare_site(page, hits, index));
        }
        if hits.wants(Kind::Email) && word.len() == 2 && page.word_text(index).eq_ignore_ascii_case("at") {
            spelled_email(page, hits, index);
        }
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'') || byte >= 0x80
}

fn email(page: &Page<'_>, hits: &mut Hits, at: usize) {
    let mut start = at;
    while start > 0 && at - start < 64 && is_local(page.byte(start - 1)) {
        start -= 1;
    }
    // A script without spaces runs into the address: only what is ASCII right before the sign belongs to it then.
    if page.bytes.get(start..at).unwrap_or_default().iter().any(|byte| *byte >= 0xE1) {
        start = at;
        while start > 0 && at - start < 64 && is_local(page.byte(start - 1)) && page.byte(start - 1) < 0x80 {
            start -= 1;
        }
    }
    while start < at && matches!(page.byte(start), b'.' | b'\'' | b'-' | b'%') {
        start += 1;
    }
    let mut end = at + 1;
    while end - at < 254
        && (page.byte(end).is_ascii_alphanumeric()
            || matches!(page.byte(end), b'.' | b'-')
            || page.byte(end) >= 0xC3 && page.byte(end) < 0xE0
            || (0x80..0xC0).contains(&page.byte(end)))
    {
        end += 1;
    }
    while end > at + 1 && matches!(page.byte(end - 1), b'.' | b'-') {
        end -= 1;
    }
    let (local, domain) = (page.slice(start, at), page.slice(at + 1, end));
    let Some((labels, top)) = domain.rsplit_once('.') else { return };
    let top_is_name =
        top.starts_with("xn--") || (top.len() >= 2 && top.len() <= 24 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    let small = format!(" {} ", top.to_ascii_lowercase());
    let known = top.len() == 2 || SITES.contains(&small);
    // `a@b.transpose(…)` multiplies matrices.
    let plausible = known || (page.byte(end) != b'(' && labels.len() >= 3 && local.len() >= 2);
    if local.is_empty()
        || !top_is_name
        || !plausible
        || FILES.contains(&small)
        || labels.split('.').any(str::is_empty)
        || (local == "git" && page.byte(end) == b':')
    {
        return;
    }
    hits.add(Kind::Email, start, end, "a name, an “@” and a domain", "");
}

/// "ada [at] example [dot] org", "ada at example dot org".
fn spelled_email(page: &Page<'_>, hits: &mut Hits, at: usize) {
    let Some(name) = at.checked_sub(1) else { return };
    let (before, sign) = (page.word(name), page.word(at));
    let bracketed = matches!(page.byte_before(sign.start), b'[' | b'(' | b'{' | b'<')
        && matches!(page.byte(sign.end), b']' | b')' | b'}' | b'>');
    if before.end + 3 < sign.start {
        return;
    }
    let mut start = before.start;
    while start > 0 && before.start - start < 48 && is_local(page.byte(start - 1)) && page.byte(start - 1) < 0x80 {
        start -= 1;
    }
    // Up to four parts, with dots between them, written or spelled.
    let mut index = at + 1;
    let mut dots = 0;
    let mut spelled = 0;
    for _ in 0..4 {
        let part = page.word(index);
        let next = page.word(index + 1);
        if part.len() == 0 || next.len() == 0 {
            break;
        }
        if page.byte(part.end) == b'.' && next.start == part.end + 1 {
            dots += 1;
            index += 1;
        } else if page.word_text(index + 1).eq_ignore_ascii_case("dot") && next.start <= part.end + 3 {
            dots += 1;
            spelled += 1;
            index += 2;
        } else {
            break;
        }
    }
    let top = page.word_text(index).to_ascii_lowercase();
    let known = top.len() == 2 || SITES.contains(&format!(" {top} "));
    if dots > 0 && known && (bracketed || spelled > 0) && !top.bytes().any(|b| b.is_ascii_digit()) {
        hits.add(Kind::Email, start, page.word(index).end, "an address spelled out", "");
    }
}

fn is_end_of_site(byte: u8) -> bool {
    byte <= b' ' || matches!(byte, b'"' | b'<' | b'>' | b'`' | b'|' | b'\\' | b'^')
}

/// A site with its scheme; gives back the place where it ends.
fn site(page: &Page<'_>, hits: &mut Hits, word: usize, rest: usize) -> usize {
    let mut start = word;
    while start > 0
        && word - start < 16
        && matches!(page.byte(start - 1), b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9')
    {
        start -= 1;
    }
    let scheme = page.slice(start, rest.saturating_sub(3)).to_ascii_lowercase();
    let mut end = rest;
    while end < page.bytes.len() && end - rest < 4096 && !is_end_of_site(page.byte(end)) && page.byte(end) < 0xE0 {
        end += 1;
    }
    let opened = page.byte_before(start);
    let mut text = page.slice(rest, end);
    if opened == b'\'' || opened == b'(' {
        let close = if opened == b'(' { ')' } else { '\'' };
        text = text.split(close).next().unwrap_or(text);
    }
    text = text.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', ']', '}', '*']);
    let end = rest + text.len();
    let host_end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let authority = text.get(..host_end).unwrap_or_default();
    if let Some((login, host)) = authority.rsplit_once('@') {
        if let Some((user, password)) = login.split_once(':')
            && !host.is_empty()
            && is_real_password(user, password)
        {
            hits.add(Kind::Password, start, end, "a password before the host of a URL", "");
        } else if !login.contains(':') && login.len() >= 20 && shape::is_random(login) {
            hits.add(Kind::Key, start, end, "a token before the host of a URL", "");
        }
    }
    if let Some((_, detail)) = WEBHOOKS.iter().find(|(part, _)| text.contains(part))
        && text.len() > 40
        && !shape::is_placeholder(text.get(text.len() - 20..).unwrap_or_default())
        && !text.contains("xxxx")
    {
        hits.add(Kind::Key, start, end, "whoever has this URL can post", detail);
    }
    if let Some(query) = text.split_once('?').map(|(_, query)| query)
        && query.split(['&', ';']).take(32).any(is_secret_pair)
    {
        hits.add(Kind::Key, start, end, "a key or a signature in the query of a URL", "");
    }
    if matches!(scheme.as_str(), "http" | "https" | "ftp" | "ftps" | "ws" | "wss" | "sftp") && !authority.is_empty() {
        hits.add(Kind::Url, start, end, "a scheme and a host", "");
    }
    // The host may be an address in brackets, which is looked at by itself.
    if authority.starts_with('[') { rest } else { end }
}

/// Addresses that are secrets in themselves.
const WEBHOOKS: [(&str, &str); 9] = [
    ("hooks.slack.com/services/", "Slack webhook"),
    ("hooks.slack.com/workflows/", "Slack webhook"),
    ("hooks.slack.com/triggers/", "Slack webhook"),
    ("discord.com/api/webhooks/", "Discord webhook"),
    ("discordapp.com/api/webhooks/", "Discord webhook"),
    (".webhook.office.com/", "Teams webhook"),
    ("outlook.office.com/webhook/", "Teams webhook"),
    ("hooks.zapier.com/hooks/catch/", "Zapier webhook"),
    ("hook.integromat.com/", "Make webhook"),
];

/// Whether a part of a query hands over a secret: `sig=…`, `access_token=…`.
fn is_secret_pair(pair: &str) -> bool {
    const NAMES: [&str; 17] = [
        "sig",
        "signature",
        "token",
        "access_token",
        "api_key",
        "apikey",
        "api-key",
        "key",
        "secret",
        "client_secret",
        "password",
        "pwd",
        "auth",
        "jwt",
        "x-amz-signature",
        "x-goog-signature",
        "auth_token",
    ];
    let Some((name, value)) = pair.split_once('=') else { return false };
    let password = matches!(name, "password" | "pwd");
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        && (shape::is_random(value.trim_end_matches('='))
            || (password && shape::is_secret(value, shape::Role::Password, false)))
}

/// Documentation writes `user:password@host`; people's passwords are other ones.
fn is_real_password(user: &str, password: &str) -> bool {
    const STAND_INS: [&str; 12] = [
        "pass",
        "passwd",
        "pwd",
        "pw",
        "secret",
        "token",
        "guest",
        "***",
        "...",
        "mypassword",
        "postgres",
        "x-oauth-basic",
    ];
    let small = password.to_ascii_lowercase();
    let stand_in = STAND_INS.contains(&small.as_str()) || (small == "password" && matches!(user, "user" | "" | "usr"));
    password.len() >= 3
        && !stand_in
        && !shape::is_placeholder(password)
        && !shape::is_reference(password)
        && !password.contains('{')
}

/// A site without a scheme: "example.com", "www.example.de/page".
fn bare_site(page: &Page<'_>, hits: &mut Hits, index: usize) -> usize {
    let first = page.word(index);
    if matches!(page.byte_before(first.start), b'/' | b'.' | b'-' | b'_' | b'@' | b'$' | b'\\') {
        return 0;
    }
    let mut end = first.start;
    while end - first.start < 254 && (page.byte(end).is_ascii_alphanumeric() || matches!(page.byte(end), b'.' | b'-')) {
        end += 1;
    }
    while end > first.start && matches!(page.byte(end - 1), b'.' | b'-') {
        end -= 1;
    }
    let host = page.slice(first.start, end);
    let Some((labels, top)) = host.rsplit_once('.') else { return end };
    let small = format!(" {} ", top.to_ascii_lowercase());
    let www = labels.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
    let generic = SITES.contains(&small)
        && !matches!(top, "name" | "test" | "local" | "int" | "group" | "life" | "team" | "world");
    let country = COUNTRIES.contains(&small) && labels.len() >= 4 && top.bytes().all(|b| b.is_ascii_lowercase());
    let is_name = !labels.is_empty()
        && labels.split('.').all(|label| !label.is_empty())
        && page.byte(end) != b'('
        && page.byte(end) != b'@';
    if !(is_name && (www || generic || country)) || FILES.contains(&small) || page.byte(end) == b'_' {
        return end;
    }
    if page.byte(end) == b'/' {
        while end < page.bytes.len()
            && end - first.start < 2048
            && !is_end_of_site(page.byte(end))
            && page.byte(end) < 0xE0
        {
            end += 1;
        }
        let text =
            page.slice(first.start, end).trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', ')', ']', '}', '*']);
        end = first.start + text.len();
    }
    hits.add(Kind::Url, first.start, end, "a domain", "");
    end
}

/// An IPv4 address from four groups of digits that begin at `start`.
pub fn host_v4(page: &Page<'_>, hits: &mut Hits, index: usize, start: usize, end: usize) {
    let Ok(ip) = page.slice(start, end).parse::<Ipv4Addr>() else { return };
    if page.byte_before(start) == b':' && page.byte_before(start - 1) == b':' {
        return;
    }
    let next = page.word_at(end);
    let beside = page.cues_before(index, 3) | page.cues_from(next, 2);
    // A version such as 1.2.3.4 looks the same; addresses below 11 in every part are far rarer than those.
    let is_version = page.cues_before(index, 2) & cue::VERSION != 0
        || matches!(page.byte_before(start), b'v' | b'V' | b'-' | b'_' | b'=' | b'^' | b'~')
        || (ip.octets().iter().all(|octet| *octet < 11) && !ip.is_private() && !ip.is_unspecified());
    if is_version && beside & cue::HOST == 0 {
        return;
    }
    let mut end = end;
    if page.byte(end) == b'/' {
        let digits =
            page.bytes.get(end + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).take(3).count();
        if page.slice(end + 1, end + 1 + digits).parse::<u8>().is_ok_and(|bits| bits <= 32) {
            end += 1 + digits;
        }
    }
    let local = ip.is_private()
        || ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_documentation()
        || ip.is_broadcast()
        || ip.is_multicast()
        || ip.is_link_local();
    hits.add(if local { Kind::LocalIp } else { Kind::IpAddress }, start, end, "four numbers below 256", "");
}

/// An IPv6 address around a place; gives back where the run of its signs ends.
fn host_v6(page: &Page<'_>, hits: &mut Hits, index: usize, word: usize) -> usize {
    let is_sign = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
    let mut start = word;
    while start > 0 && word - start < 3 && page.byte(start - 1) == b':' {
        start -= 1;
    }
    let mut end = start;
    while end - start < 64 && is_sign(page.byte(end)) {
        end += 1;
    }
    let run = end;
    while end > start && page.byte(end - 1) == b'.'
        || (page.byte_before(end) == b':' && page.byte_before(end - 1) != b':')
    {
        end -= 1;
    }
    let before = page.byte_before(start);
    if before.is_ascii_alphanumeric()
        || matches!(before, b':' | b'.' | b'_')
        || page.byte(run).is_ascii_alphanumeric()
        || page.byte(run) == b'_'
    {
        return run;
    }
    let text = page.slice(start, end);
    let Ok(ip) = text.parse::<Ipv6Addr>() else { return run };
    let signs = text.bytes().filter(u8::is_ascii_hexdigit).count();
    let named = page.cues_before(index, 3) & cue::HOST != 0;
    let alone = start == 0 && end == page.bytes.len();
    // `list[::2]`, `a::b`: short ones are slices and paths more often.
    let sliced = before == b'[' && start.checked_sub(1).is_some_and(|at| page.byte_before(at).is_ascii_alphanumeric());
    let prefixed = page.byte(end) == b'/' && page.byte(end + 1).is_ascii_digit();
    if text.matches(':').count() < 2
        || sliced
        || (signs < 5 && !named && !alone && !prefixed)
        || !(prefixed || text.bytes().any(|b| b.is_ascii_digit()))
    {
        return run;
    }
    if page.byte(end) == b'/' {
        let digits =
            page.bytes.get(end + 1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).take(3).count();
        if page.slice(end + 1, end + 1 + digits).parse::<u8>().is_ok_and(|bits| bits <= 128) {
            end += 1 + digits;
        }
    }
    let first = ip.segments().first().copied().unwrap_or(0);
    let local = ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_unicast_link_local()
        || ip.is_unique_local()
        || ip.is_multicast()
        || first == 0x2001 && ip.segments().get(1) == Some(&0xDB8);
    hits.add(
        if local { Kind::LocalIp } else { Kind::IpAddress },
        start,
        end,
        "groups of hexadecimal digits between colons",
        "",
    );
    run
}

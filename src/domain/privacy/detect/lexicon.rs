//! The words that mean something to their neighbours.

use super::words::cue;

/// Rows of cues and the words that carry them, several languages together. Words are small ones without signs.
const ROWS: &[(u64, &str)] = &[
    (
        cue::PHONE,
        "ph tlf puh mob phone phones telephone tel mobile cell cellphone fax whatsapp hotline telefon telefono \
         teléfono telefone telephon téléphone móvil movil celular cellulare mobil mobiel telefoon handy portable \
         pager voicemail sms landline telefonnummer handynummer rufnummer telefoonnummer puhelin telefonu \
         kontakttelefon viber phonenumber telephonenumber mobilenumber phoneno mobileno extension fono gsm \
         телефон тел моб мобильный номер телефона τηλέφωνο",
    ),
    (
        cue::CALL,
        "call calling called ring dial text texting reach contact answering messages message desk office home \
         work callback appelez appeler llamar llame llámame ligar ligue anrufen chiama chiamare bel bellen ringa \
         zadzwoń dzwonić reachable signal telegram messaging helpline switchboard contacted",
    ),
    (
        cue::CARD,
        "card cards credit debit visa mastercard amex maestro discover cc creditcard cardnumber kreditkarte karte \
         carte tarjeta cartão carta kaart kort karta pan cvv cvc ccn diners jcb unionpay",
    ),
    (
        cue::PASSPORT,
        "passport passports passeport pasaporte passaporte passaporto reisepass paspoort pass pasport travel",
    ),
    (cue::DRIVER, "driver drivers driving driver's dl führerschein permis patente conducir dlno dln"),
    (cue::LICENCE, "license licence licenses licenca licencia führerscheinnummer conduire permiso carnet rijbewijs"),
    (
        cue::BANK,
        "bank account routing iban aba checking savings acct kontonummer konto compte cuenta conta conto rekening \
         sort swift bic accountnumber beneficiary wire ach ifsc bsb clabe",
    ),
    (
        cue::BIRTH,
        "born birth dob birthday birthdate dateofbirth geboren geburtsdatum née né naissance nacido nacimiento \
         nascimento nato nata nascita geboortedatum född urodzony urodzenia birthdays bday",
    ),
    (
        cue::ORDER,
        "order orders invoice tracking ticket isbn issn ean upc sku serial model part product reference ref \
         shipment parcel case timestamp epoch unix build revision bug issue pr rfc doi pmid arxiv line lines port \
         page pages volume vol article code index row column item items catalog lot batch quantity bestellung \
         rechnung facture pedido factura packet offset size bytes nct",
    ),
    (
        cue::DIGEST,
        "commit commits sha sha1 sha224 sha256 sha384 sha512 md5 checksum checksums digest hash hashes hashed \
         uuid guid integrity etag revision rev bisect blob tree ulid nonce fingerprint thumbprint crc bcrypt \
         image layer trace span session request correlation cache primary foreign partition sort lookup block \
         transaction tx txid cid hexdigest git branch merge cherry",
    ),
    (
        cue::PASSWORD,
        "password passwords passwd pwd pass passphrase passcode pw passwort kennwort contraseña contrasena senha \
         wachtwoord lösenord hasło haslo heslo salasana parola adgangskode passord pin pincode mot_de_passe \
         userpass dbpass dbpassword dbpasswd mypassword rootpassword psw pswd passw пароль şifre κωδικός",
    ),
    (
        cue::TOKEN,
        "token secret apikey api_key accesstoken authtoken secretkey credential credentials cred creds bearer jwt \
         authorization accesskey privatekey apitoken apisecret clientsecret refreshtoken sessiontoken bottoken \
         pat signingkey encryptionkey masterkey connectionstring connstr webhook accountkey sharedkey authkey \
         licensekey sas appkey secretaccesskey mnemonic seedphrase cookie otp totp keytoken appsecret usertoken \
         accessid",
    ),
    (cue::KEY, "key keys schlüssel clave chave clé"),
    (
        cue::SECRETIVE,
        "api access secret private auth authentication signing encryption master service admin shared storage ssh \
         client consumer license licence deploy deployment webhook app application project live prod production \
         server write read ingest ingestion integration hmac rsa aes gpg pgp org personal subscription developer \
         dev bot test user account team root security decryption sdk login activation product",
    ),
    (
        cue::PROVIDER,
        "aws amazon azure gcp google openai anthropic claude mistral cohere groq huggingface hf replicate \
         perplexity openrouter deepseek together fireworks litellm runpod wandb langsmith langchain pinecone \
         qdrant weaviate github gitlab bitbucket slack discord telegram twilio sendgrid mailgun mailchimp \
         postmark stripe paypal square braintree shopify cloudflare digitalocean heroku netlify vercel supabase \
         firebase datadog newrelic sentry grafana splunk elastic pagerduty opsgenie okta auth0 vault consul \
         terraform hashicorp pulumi doppler infisical npm pypi docker dockerhub quay artifactory jfrog nexus \
         sonar sonarqube snyk codecov circleci travis jenkins buildkite drone jira confluence atlassian notion \
         linear asana trello figma airtable typeform zendesk intercom hubspot salesforce dropbox box spotify \
         twitter facebook instagram linkedin reddit twitch youtube algolia mapbox openweather plaid coinbase \
         binance kraken kucoin bittrex alchemy infura etherscan databricks snowflake mongodb redis postgres mysql \
         rabbitmq kafka confluent planetscale neon upstash tailscale ngrok fastly akamai linode vultr hetzner \
         scaleway ovh fly render railway elevenlabs deepgram assemblyai stability nvidia voyage jina tavily exa \
         serper serpapi firecrawl cerebras gemini vertex bedrock sagemaker alibaba aliyun tencent baidu yandex \
         launchdarkly posthog segment amplitude mixpanel adobe adafruit flickr finnhub finicity freshbooks gitter \
         looker lob messagebird nytimes rapidapi sourcegraph squarespace sumologic sumo meraki dynatrace duffel \
         easypost frameio gocardless harness beamer clojars contentful defined fastmail intra42 kubernetes k8s \
         cisco zoom webex mattermost clickhouse octopus readme rubygems scalingo sendinblue brevo shippo sidekiq \
         contribsys mailjet nexmo vonage plivo sinch flutterwave paystack razorpay adyen klarna xendit etsy ebay \
         discogs unsplash giphy pexels tmdb omdb tmap bugsnag rollbar logdna loggly papertrail honeycomb \
         lightstep wakatime replit modal lambda vast paperspace coreweave novita hyperbolic sambanova xai grok \
         zhipu moonshot qwen dashscope minimax lepton anyscale baseten portkey helicone langfuse nomic clarifai \
         cohesity rancher portainer teleport wireguard",
    ),
    (
        cue::ABOUT,
        "id ids identifier name names file files path paths url uri urls link type types size length len count \
         limit expiry expires expiration expire ttl format field fields label hint prompt placeholder regex \
         pattern column header headers policy policies min max hash hashes hashed salt manager provider version \
         arn alias public primary foreign cache partition sort index lookup store keystore ring chain pair map \
         dict list array set press pressed down up board word words code event events frame frames stroke \
         bindings binding next previous page continuation cursor sync pagination model date time created updated \
         status enabled required reset forgot confirm strength input validator validation rule rules endpoint \
         host port user username email description note notes title usage budget per tokens tab fob stone tag \
         accessor reference ref refs value rotation lifetime algorithm alg usages cipher",
    ),
    (
        cue::TITLE,
        "mr mrs ms miss dr prof professor mister herr frau monsieur madame mme señor señora sr sra sir madam lady \
         dame",
    ),
    (
        cue::MONTH,
        "january february march april may june july august september october november december jan feb mar apr \
         jun jul aug sep sept oct nov dec",
    ),
    (cue::WEEKDAY, "monday tuesday wednesday thursday friday saturday sunday"),
    (
        cue::ROAD_AFTER,
        "street st avenue ave road rd boulevard blvd lane ln drive dr court ct place pl square sq terrace way \
         parkway pkwy highway hwy circle cir trail crescent close alley row walk gardens grove mews hill plaza \
         loop pike ridge path expressway fwy turnpike allé alle allee vei veien veg gade vej gata gatan väg vägen \
         gatu straße strasse str platz weg laan straat plein gracht kade tie katu utca út ulica ulice tänav iela \
         gatve крајина quay rise parade esplanade green",
    ),
    (
        cue::ROAD_BEFORE,
        "rue avenue boulevard place allée chemin impasse quai via viale piazza corso largo vicolo calle avenida \
         av plaza paseo carrera rua travessa praça praca rodovia estrada ul ulica aleja os strada bulevardul \
         ulitsa jalan jl ctra carretera camino cl avda contrada rúa улица ул",
    ),
    (
        cue::UNIT,
        "apt apartment suite ste unit floor room flat bldg building psc box po dept lot penthouse appartement \
         piso wohnung appt lgh",
    ),
    (
        cue::COMPANY,
        "inc llc ltd gmbh corp corporation plc ag limited incorporated bv srl oy ab aps kg llp sarl spa pty",
    ),
    (
        cue::HOST,
        "ip ipv4 ipv6 address server host addr localhost gateway dns subnet ping ssh router client loopback \
         interface route prefix peer nameserver remote_addr firewall blocked connect network proxy endpoint \
         remote login x_forwarded_for",
    ),
    (
        cue::VERSION,
        "version versions ver v release section oid build chapter clause figure fig rev firmware driver semver \
         kernel assembly",
    ),
    (
        cue::MEASURE,
        "dollars dollar people times meters metres miles km kilometers feet foot inches points percent years year \
         days hours minutes seconds grams kg pounds lbs euros usd eur units students voters votes residents \
         population men women children employees copies shares users items cells atoms calories bytes kb mb gb \
         words tokens steps square",
    ),
    (
        cue::CRYPTO,
        "bitcoin btc ethereum eth wallet monero xmr litecoin ltc dogecoin doge tron trx solana sol usdt crypto \
         ripple xrp cardano metamask",
    ),
    (cue::IS, "is are was were ist lautet est es é är er to jest equals"),
    (cue::WHOSE, "my his her our your their mein meine dein sein ihr mon ma sa mi su minha meu mijn min moje"),
    (cue::NUMBER, "number no nr num numbers nummer numéro numero número nº № digits"),
    (cue::NAME, "name named names namens nom nombre nome naam imię jméno navn namn surname"),
    (
        cue::PAPERS,
        "ssn social security itin tin tax taxpayer id identity identification national nin nino insurance nhs sin \
         tfn aadhaar aadhar cpf dni nie nif nir bsn pesel personnummer steuer steuernummer identitätsnummer rrn \
         curp rut citizen resident insee medicare mrn patient socialsecurity",
    ),
    (
        cue::RESIDES,
        "address addresses lives live living lived resides residing residence located shipping ship deliver \
         delivery billing mail mailing move moved moving adresse dirección direccion indirizzo endereço adres \
         adress home house wohnhaft wohnt office headquarters send sent",
    ),
    (cue::AT, "at on to via under and or is the a me us him her them this that at: also through using by"),
    (cue::POST, "apo fpo dpo"),
    (
        cue::BEFORE_NAME,
        "dear hello hi regards sincerely cheers signed attn patient customer client employee contact manager \
         tenant applicant mother father brother sister wife husband son daughter colleague boss neighbor",
    ),
    (cue::OPEN, "public next page continuation cursor pagination max min total num publishable accessor pad eos bos"),
    (cue::LOGIN, "user username login userid usr uid account email benutzer usuario utilisateur"),
    (
        cue::EVERYDAY,
        "may will mark rose grace hope faith joy summer autumn april june august dawn art bill bob jack frank \
         grant chase hunter carter mason cooper taylor jordan austin paris florence victoria virginia georgia \
         carolina dakota brooklyn madison lincoln washington jackson london israel chelsea kent lane reed drew \
         skip rich ray rob sue pat gene dale glen cliff brook lily daisy iris ivy violet olive pearl ruby amber \
         crystal jade penny angel angels christian dean earl duke baron prince king bishop pope miles max major \
         pierce stone wood woods hill field rivers banks young white black brown green gray grey long short best \
         good wise power price rice bell ball cook baker smith miller page parks love day knight fox wolf bird \
         fish moon sun star sky storm wells west north east rush hall holland ireland france england scotland \
         jersey norman roman sterling joule newton pascal kelvin hertz watt tesla darwin bush ford chance drake \
         forest melody heaven sandy rusty guy don jean an li so do in he she me my ben sam dan tom la de van von \
         del al el ana san santa saint",
    ),
];

const GIVEN: &str = include_str!("../../../../assets/lexicon/given_names.txt");
const FAMILY: &str = include_str!("../../../../assets/lexicon/family_names.txt");
const PLACES: &str = include_str!("../../../../assets/lexicon/places.txt");

/// The words of a file; lines that begin with `#` say how it came about.
fn words_of(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

/// Every row, with the lists of names and places.
pub fn all() -> impl Iterator<Item = (u64, Box<dyn Iterator<Item = &'static str>>)> {
    let rows = ROWS.iter().map(|(cues, words)| {
        let words: Box<dyn Iterator<Item = &'static str>> = Box::new(words.split_whitespace());
        (*cues, words)
    });
    let files = [(cue::GIVEN, GIVEN), (cue::FAMILY, FAMILY), (cue::PLACE, PLACES)];
    let files = files.into_iter().map(|(cues, file)| {
        let words: Box<dyn Iterator<Item = &'static str>> = Box::new(words_of(file));
        (cues, words)
    });
    rows.chain(files)
}

//! Words that say something by themselves: which task, how long an answer, how deep. They are shown to people as the
//! evidence of a decision, and the model learns what each group of them is worth.

use std::sync::LazyLock;

use super::super::task::Task;
use super::hash::pair;
use super::reading::{Token, read};

/// What a marker stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A class of work.
    Of(Task),
    /// Courtesy: says nothing of the work.
    Polite,
    /// A verb that opens a request.
    Verb,
    /// A word that opens a question.
    Asking,
    /// A reference to something that comes with the request.
    Given,
    /// A wish for a short answer.
    Brief,
    /// A wish for a long answer.
    Long,
    /// A wish for thought: grounds, proofs, trade-offs.
    Deep,
    /// A wish for something plain.
    Plain,
    /// Vocabulary of a craft or science.
    Technical,
    /// A number in words, or a word of quantity.
    Quantity,
    /// A word of praise or blame.
    Opinion,
}

impl Group {
    /// How many groups there are.
    pub const COUNT: usize = Task::ALL.len() + 11;

    /// Its place among all groups.
    pub const fn index(self) -> usize {
        let tasks = Task::ALL.len();
        match self {
            Self::Of(task) => task as usize,
            Self::Polite => tasks,
            Self::Verb => tasks + 1,
            Self::Asking => tasks + 2,
            Self::Given => tasks + 3,
            Self::Brief => tasks + 4,
            Self::Long => tasks + 5,
            Self::Deep => tasks + 6,
            Self::Plain => tasks + 7,
            Self::Technical => tasks + 8,
            Self::Quantity => tasks + 9,
            Self::Opinion => tasks + 10,
        }
    }
}

/// One marker that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What it stands for.
    pub group: Group,
    /// How it is written in the table.
    pub text: &'static str,
    /// How many tokens it spans.
    pub tokens: usize,
}

/// The most tokens that a marker spans.
pub const LONGEST: usize = 4;

/// Markers, `|` between them. One that ends in `*` stands for every word with the same first five characters.
const MARKERS: &[(Group, &str)] = &[
    (
        Group::Of(Task::Reward),
        "reward|rewards|reward signal|rate this action|rate the action|score this|score the|score the action|score this action|\
         grade this|grade the|judge the answer|judge this answer|which response is better|which answer is better|\
         on a scale of|on a scale from|rate the quality|rate the helpfulness|evaluate the response|rate the response|\
         rate this response|preference score|state action|bewerte die aktion|奖励|打分|评分",
    ),
    (
        Group::Of(Task::Code),
        "code|function|implement*|refactor*|debug*|bug|compile*|python|rust|javascript|typescript|java|c++|golang|sql|\
         regex|regular expression|unit test|unit tests|stack trace|stacktrace|api endpoint|endpoint|class|script|bash|\
         shell script|traceback|exception|html|css|react|json|yaml|dockerfile|kubernetes|git|npm|django|flask|numpy|\
         pandas|algorithm|linked list|binary tree|array|def|fn|import|return|void|public static|struct|query|database|\
         код|функци*|código|función|programa|fonction|funktion|关数|函数|代码|编程|程序|关数|プログラム|関数|コード|\
         함수|코드|rename the variable*|pull request|css selector|webpage|program that|command line|docker|postgres",
    ),
    (
        Group::Of(Task::Planning),
        "plan|plans|roadmap|architecture|architect*|design a|design an|design the|milestone*|strategy|migrat*|rollout|\
         rollback|runbook|phased|phases|itinerary|schedule for|system design|project plan|step plan|timeline for|\
         go to market|workflow|checkpoints|架构|规划|计划|方案|设计一个|系统设计|план|планир*|arquitectura|planifica*|\
         architektur|設計|計画|계획|설계",
    ),
    (
        Group::Of(Task::Mathematics),
        "calculate|calculat*|compute|solve|equation|integral|derivative|probability|theorem|how many|how much|percent|\
         sum of|product of|remainder|triangle|polynomial|matrix|prime|integer|integers|fraction|area of|perimeter|\
         volume of|evaluate the|simplify|factor|square root|average speed|total cost|convert 15|miles per hour|\
         cuánt*|combien|wie viele|wie viel|сколько|quantos|quanto|多少|计算|几个|求|計算|いくつ|몇|얼마|calcula*|вычисл*|\
         berechn*|calcul*|решите|löse|resuelve|解方程",
    ),
    (
        Group::Of(Task::Reasoning),
        "prove|proof|rigorous*|contradiction|step by step|reason about|reason from|why does|trade off|trade offs|tradeoff|\
         tradeoffs|analyse|analyze|analysis|compare|contrast|deduce|implications|root cause|evaluate whether|\
         think through|first principles|argue|derive|justify|logic puzzle|puzzle|riddle|infer|weigh|critique|assess|\
         investigate|hypothes*|dilemma|who owns|must be true|clues|推导|证明|权衡|分析|比较|根因|第一原理|推理|докажи*|\
         сравни|проанализ*|demuestra|analiza|compara|prouve|compar*|beweise|vergleich*|analys*|証明|比較|비교|증명|분석",
    ),
    (
        Group::Of(Task::Extraction),
        "extract|classify|classification|categor*|label|labels|parse|sentiment|list all the|tag|topic of|positive or negative|\
         negative or positive|positive negative|true or false|yes or no|spam|entail*|paraphrase|same meaning|duplicate|\
         duplicates|toxic|which category|what category|named entities|entities|pull out|find all|identify all|detect|\
         intent|is this review|is this text|is this comment|stars|rating|how many stars|neutral|section of|kind of text|\
         asking the same|same question|emotion|genre|polarity|mood|tone of|stance|attitude|favourable|favorable|praise|\
         complaint|insult*|abusive|rude|hostile|scam|phishing|fraud*|genuine|moderat*|allowed or|allow or|block or|flag|\
         harmful|urgent|urgency|priority|severity|keywords|keyword|key value|same sense|same meaning|equivalent|\
         supported|refuted|follows|contradicts|verdict|thumbs up|how satisfied|how angry|well formed|grammatical|\
         fact or opinion|formal or informal|for or against|good or bad|happy or|one of these|one of the following|\
         which label|which class|part of speech|annotate|fields|as json|into json|out of the text|mentioned in|提取|分类|抽取|情感|标签|正面还是负面|извлек*|классиф*|extrae|clasific*|\
         extrai*|extrah*|klassifi*|分類|抽出|추출|분류|contradict*|grammatically|acceptable|hateful|\
         subjective|objective|ironic|sarcastic|offensive|recommend this|would recommend|satisfied",
    ),
    (
        Group::Of(Task::Summary),
        "summar*|tl dr|tldr|tl;dr|shorten|condense|key points|key takeaways|takeaways|main points|main ideas|abstract of|\
         recap|sum up|in a nutshell|boil down|boil this down|gist|digest|headline for|title for this|synopsis|\
         bullet points|three bullets|one sentence summary|abridge*|shorter|short version|shortened|compress*|pare down|\
         cut down|slim down|bottom line|main thread|rundown|one liner|one minute read|run me through|catch me up|essence of|\
         key message|overview of this|a headline|a title|title of this|fitting title|heading for|title should|subject line|in short|in brief|briefly what|\
         précis of|outline of the content|main message|long story short|to the point|what was agreed|what was decided|essentials|main idea|highlights of|distill|précis|\
         摘要|总结|概括|概述|要约|要約|まとめ|요약|резюмир*|кратко изложи|resum*|résum*|fasse zusammen|zusammenfass*|riassum*",
    ),
    (
        Group::Of(Task::Bulk),
        "for each of the following|each of these|each of the following|the following records|all rows|each row|batch|\
         every line|each line|every row|for every item|for each item|each item|for each line|one per line|\
         以下每|每一行|逐条|for each entry|each entry|each record|every record",
    ),
    (
        Group::Of(Task::Context),
        "based on the|based on this|according to|given the passage|in the following text|from the context|the passage|\
         the context|using the text|in the text|from the text|from the passage|from the article|in the article|\
         the document|from the document|the paragraph|answer the question|answer the following question|\
         use the information|the excerpt|in the story|the plot|the transcript|background information|given context|\
         given the context|refer to|with reference to|mentioned in|the author|根据|文中|上文|根据上文|согласно|según el|\
         selon le|laut dem|basierend auf|本文によると|secondo il|de acordo com|question about|unanswerable|no answer",
    ),
    (
        Group::Of(Task::Creative),
        "poem|poems|story|stories|haiku|slogan|slogans|lyrics|song|novel|brainstorm*|name ideas|names for|come up with|tagline|taglines|rap|\
         sonnet|limerick|fairy tale|screenplay|script for|script of|scene|dialogue between|character*|protagonist|fiction|\
         fictional|joke|jokes|funny|rhyme|verse|verses|essay|blog post|write an article|speech|in the style of|roleplay|\
         role play|pretend|imagine|plot twist|sequel|fanfic*|invent|witty|caption|captions|toast|letter to|advert*|ad copy|\
         product description|tweet|backstory|monologue|write a scene|诗|故事|小说|歌词|剧本|写一首|作文|童话|对联|文案|\
         стих*|рассказ*|песн*|сказк*|сценарий|истори*|poema|cuento|historia|canción|poesía|poème|histoire|chanson|conte|\
         gedicht|geschichte|märchen|lied|storia|racconto|história|conto|letra|wiersz|opowiad*|příběh|báseň|şiir|hikaye|\
         thơ|truyện|bài hát|詩|物語|小説|歌詞|俳句|시|이야기|소설|노래|가사|قصيدة|قصة|شعر|داستان|कविता|कहानी|กลอน|เรื่องสั้น|\
         ποίημα|ποιημα|ιστορία|puisi|cerita|gedicht|verhaal|dikt|berättelse|slam|chapter|prologue|epilogue|stanza*|\
         couplet|ballad*|ode|chorus|refrain|villain*|hero|heroine|narrator|npc|npcs|quest|quests|lore|world building|\
         worldbuilding|dungeon|campaign|dnd|fantasy|science fiction|sci fi|romance|thriller|horror|comedy|comic|sketch|skit|\
         sitcom|satire|satirical|parody|spoof|stand up|roast|pun|puns|riddle|tale|tales|fable|legend|myth|saga|bedtime|\
         lullaby|anthem|eulogy|vows|wedding speech|best man|diary entry|love letter|copywriter|storyteller|screenwriter|\
         novelist|poet|playwright|game master|in character|first person|third person|point of view|stage directions|\
         cliffhanger|twist|happy ending|open ending|name for|nickname*|hashtags|voiceover|trailer|jingle|design a dress|\
         short film|plot|subplot|setting|antagonist|sidekick|fairy|dragon|wizard|continue the|what happens next|next chapter|\
         rede zum|liedtext|kurzgeschichte|gutenachtgeschichte|dialog|nouvelle|discours|conte|guion|eslogan|discurso|\
         favola|filastrocca|canzone|roteiro|тост|диалог|сценк*|поздравлен*|песенк*|歌|曲|诗歌|台词|情书|祝福语|演讲稿|广告语|\
         相声|台本|セリフ|キャッチコピー|대본|동화|축사|광고 문구",
    ),
    (
        Group::Of(Task::Explanation),
        "explain*|describe how|how does|how do|teach me|what happens when|walk me|difference between|differences between|\
         what does it mean|tell me about|overview of|introduction to|tutorial|understand|why is|why are|why do|why did|\
         how can i|how to|eli5|like i'm five|tips|advice|what are the benefits|pros and cons|guide to|解释|说明|为什么|\
         如何|怎么|介绍|什么是|объясни*|расскажи|почему|как работает|explica*|por qué|explique*|pourquoi|comment|\
         erkläre*|warum|wie funktioniert|spiega*|perché|説明|なぜ|教えて|설명|왜|اشرح|समझाओ|समझाइए|açıkla|giải thích|wyjaśnij|\
         leg uit|jelaskan|förklara",
    ),
    (
        Group::Of(Task::Question),
        "what is|what's|who is|who was|who wrote|who plays|who sings|when did|when was|when is|where is|where did|where was|\
         which|capital of|how old|how tall|how far|what year|name the|what are|who won|what was|is it true|谁|哪里|哪个|哪年|\
         什么时候|首都|кто|когда|где|какой|столица|quién|cuándo|dónde|cuál es|capital de|qui est|quand|où|quelle est|wer|wann|\
         wo|welche*|hauptstadt|chi è|quando|dove|quem|onde|qual é|誰|いつ|どこ|누구|언제|어디|kto|kiedy|gdzie|kim|ne zaman|nerede|\
         ai là|khi nào|ở đâu|من هو|متى|أين|कौन|कब|कहाँ|siapa|kapan|wie is|wanneer|vem är",
    ),
    (
        Group::Polite,
        "hi|hello|hey|please|thanks|thank|thank you|thx|kindly|dear|greetings|good morning|good evening|cheers|advance|\
         appreciate*|sincerely|regards|help me with this|a lot in advance|many thanks|in advance|assistant|everyone|there|\
         你好|谢谢|请|hola|gracias|por favor|bonjour|merci|hallo|danke|bitte|привет|спасибо|пожалуйста|ciao|grazie|olá|\
         obrigado|こんにちは|ありがとう",
    ),
    (
        Group::Verb,
        "write|create|come up|make|give|generate|find|list|explain|describe|summarize|summarise|translate|convert|rewrite|rephrase|\
         fix|implement|build|design|develop|draft|compose|produce|provide|tell|show|suggest|propose|analyze|analyse|compare|\
         evaluate|calculate|compute|solve|determine|identify|extract|classify|categorize|label|answer|choose|select|pick|\
         read|use|consider|given|assume|let|suppose|prove|derive|discuss|outline|plan|prepare|review|check|verify|edit|\
         improve|correct|complete|continue|fill|format|sort|rank|rate|score|predict|decide|judge|detect|name|define|\
         clarify|state|count|estimate|simplify|shorten|condense|paraphrase|proofread|refactor|debug|optimize|optimise|port|\
         add|remove|replace|change|turn|transform|imagine|pretend|act|invent|brainstorm|help|recommend|teach|walk|\
         investigate|assess|argue|justify|critique|contrast|formalize|perform|run|set|configure|deploy|test|parse|tag|map|\
         match|group|combine|merge|split|highlight|recap|respond|reply|draw|plot|sketch|simulate|organize|arrange|search|\
         look|do|provide|rewrite|express|annotate|mark|locate|quote|cite|infer|formulate|weigh|synthesize|escribe|haz|crea|\
         dame|genera|explica|resume|traduce|écris|écrivez|crée|donne|explique|résume|traduis|schreibe|schreib|erstelle|\
         erkläre|gib|übersetze|fasse|scrivi|crea|spiega|traduci|escreva|crie|traduza|напиши|создай|объясни|переведи|\
         придумай|сделай|napisz|wymyśl|napiš|yaz|viết|hãy|tulis|buatlah|schrijf|skriv|写|请|用|把|给|生成|翻译|帮|设计|列出",
    ),
    (
        Group::Asking,
        "what|who|whom|whose|which|when|where|why|how|is|are|was|were|do|does|did|can|could|should|would|will|has|have|had|\
         may|what's|who's|how's|isn't|aren't|doesn't|qué|quién|cómo|cuándo|dónde|cuál|por|qui|que|quand|comment|pourquoi|\
         combien|wer|was|wie|wann|wo|warum|welche|chi|come|quanto|quem|como|qual|кто|что|как|когда|где|почему|какой|сколько",
    ),
    (
        Group::Given,
        "following|below|above|this article|this text|this passage|this paragraph|this email|this sentence|this review|\
         this document|this code|this conversation|the article|the text|article|passage|paragraph|excerpt|document|review|\
         sentence|sentences|transcript|conversation|dialogue|input|given|attached|these|这段|下面|以下|这篇|этот текст|текст|\
         siguiente|suivant|folgende*|seguente|seguinte|email|snippet|report|context|content",
    ),
    (
        Group::Brief,
        "briefly|brief|short|concise|concisely|one word|single word|one sentence|one line|single sentence|one short paragraph|\
         two sentences|a sentence|in short|only the|just the|nothing else|yes or no|in a few words|at most|no more than|\
         without explanation|under|answer with|number only|only answer|简短|一句话|三句话|简要|кратко|brevemente|brièvement|\
         kurz|in breve|simply|quickly",
    ),
    (
        Group::Long,
        "detailed|in detail|comprehensive|essay|thorough|thoroughly|in depth|extensive|full|complete|report|words|pages|\
         long|article|chapter|elaborate|exhaustive|step by step|guide|tutorial|blog post|story|lesson plan|proposal|\
         paragraphs|for each|with examples|whole|every|全面|详细|展开|подробно|detallad*|détaill*|ausführlich",
    ),
    (
        Group::Deep,
        "first principles|trade off|trade offs|tradeoff|tradeoffs|root cause|prove|proof|rigorous*|formally|formal|formalize|\
         derive|derivation|justify|architecture|failure mode|failure modes|fault tolerance|consistency|distributed|\
         concurrency|concurrent|lock free|scalab*|latency|throughput|consensus|partition*|replication|multi region|\
         multi tenant|high availability|asymptotic|convergence|theorem|correctness|optimal*|uncertainty|synthesize|\
         systematic*|evaluate|analyze|analyse|critically|critique|implications|strategy|migration|rollback|dependencies|\
         diagnos*|bottleneck*|versus|vs|constraints|hypothes*|robust|causal*|mechanism*|quantify|sensitivity|framework|\
         compliance|liability|indemn*|statut*|differential|invariant*|synchronous|asynchronous|eventual|isolation|\
         zero downtime|disaster recovery|threat model|worst case|counterexample|by contradiction|induction|investigate|\
         explain when|explain why|under which conditions|contrast|weigh|contradiction|premise*|deduct*|abduct*|inductive|\
         权衡|分析|推导|证明|第一原理|第一性原理|架构|分布式|一致性|根因|故障|因果|系统设计|比较|论证|严格|并发|评估|机制|\
         权衡取舍|取舍|容错|隔离|可扩展|收敛|策略",
    ),
    (
        Group::Plain,
        "simple|simply|basic|basics|easy|beginner|plain language|plain english|simple terms|layman*|kid|kids|child|five year|\
         quick|common|everyday|home|friendly|polite|clearer|rephrase|rewrite|reword|translate|convert|format|title case|\
         spelling|grammar|bullet|bullets|greeting|birthday|recipe|example|简单|通俗|改写|翻译|转换|格式|礼貌|润色|周报",
    ),
    (
        Group::Technical,
        "quantum|molecul*|enzyme*|protein*|algebra*|topolog*|theorem|neural|gradient*|entropy|thermodynam*|electr*|magnet*|\
         chromosom*|genom*|pharmac*|clinical|patient|diagnosis|jurisdiction|plaintiff|defendant|constitution*|equilibrium|\
         elasticity|monetary|derivative*|hamilton*|lagrang*|eigen*|stochast*|bayes*|regression|cryptograph*|protocol*|\
         compiler*|kernel*|thread*|mutex|cache*|index*|schema*|tcp|cpu|gpu|orbital*|isotop*|ionic|acid*|oxid*|reaction*|\
         velocity|acceler*|momentum|wavelength|frequency|philosoph*|epistem*|ontolog*|hegemon*|macroeconom*|microbi*|\
         neuro*|cardi*|renal|hepat*|syndrome|antibod*|vaccin*|polymer*|catalys*|semiconduct*|algorithm*|complexity|\
         recursion|heuristic*|kantian|utilitarian*|deontolog*",
    ),
    (
        Group::Quantity,
        "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million|dozen|half|\
         third|quarter|twice|double|triple|times|each|per|total|altogether|remaining|left|more than|less than|fewer|\
         percent|average|cost|costs|dollars|hours|minutes|miles|pounds|kilometers|gallons|feet|weeks|days|years old",
    ),
    (
        Group::Opinion,
        "good|great|bad|best|worst|terrible|awful|horrible|excellent|amazing|wonderful|love|loved|hate|hated|like|liked|\
         enjoy|enjoyed|boring|disappoint*|recommend|recommended|waste|poor|perfect|favorite|nice|awesome|cheap|rude|\
         friendly|delicious|highly|never again|worth|fun|funny|annoying|satisfied|happy|review|reviewer|reviews|movie|\
         product|bought|service|staff|quality|overall|customer|negative|positive|feel|feels|opinion|tone|five stars|stars",
    ),
];

struct Table {
    /// What is known of a key: most words end here.
    flags: Flags,
    /// The markers' keys, and 0 where none stands.
    keys: Vec<u32>,
    /// What stands beside each key.
    entries: Vec<(Group, &'static str)>,
}

/// Four bits for each low part of a hash: so many that few words share them with a marker, and still at hand.
struct Flags(Vec<u64>);

impl Flags {
    const COUNT: usize = 1 << 15;
    /// A marker begins with a word of this key.
    const BEGINS: u64 = 1;
    /// It is the key of the beginning of a longer marker.
    const GOES_ON: u64 = 2;
    /// It is the key of a whole marker.
    const WHOLE: u64 = 4;

    fn new() -> Self {
        Self(vec![0; Self::COUNT / 16])
    }

    const fn place(key: u32) -> usize {
        (key.wrapping_mul(0x9e37_79b1) >> 17) as usize % Self::COUNT
    }

    fn set(&mut self, key: u32, flag: u64) {
        let place = Self::place(key);
        if let Some(flags) = self.0.get_mut(place / 16) {
            *flags |= flag << (place % 16 * 4);
        }
    }

    fn of(&self, key: u32) -> u64 {
        let place = Self::place(key);
        self.0.get(place / 16).map_or(0, |flags| flags >> (place % 16 * 4))
    }
}

/// Several times the number of markers, so that a search ends at once.
const SLOTS: usize = 1 << 14;
/// What keeps the first five characters of a word apart from a word of five characters.
const STEM: u32 = 0x9e37_79b9;

static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

impl Table {
    fn build() -> Self {
        let mut table = Self { flags: Flags::new(), keys: vec![0; SLOTS], entries: vec![(Group::Polite, ""); SLOTS] };
        for (group, markers) in MARKERS {
            for text in markers.split('|').map(str::trim).filter(|text| !text.is_empty()) {
                table.insert(*group, text);
            }
        }
        table
    }

    fn insert(&mut self, group: Group, text: &'static str) {
        let (word, stem) = text.strip_suffix('*').map_or((text, false), |word| (word, true));
        let tokens = read(word).tokens;
        let Some((first, rest)) = tokens.split_first() else { return };
        let mut key = if stem && rest.is_empty() { first.stem ^ STEM } else { first.hash };
        self.flags.set(key, Flags::BEGINS);
        for (at, token) in rest.iter().enumerate() {
            self.flags.set(key, Flags::GOES_ON);
            let open = stem && at + 1 == rest.len();
            key = pair(key, if open { token.stem ^ STEM } else { token.hash });
        }
        self.flags.set(key, Flags::WHOLE);
        // A word may stand in several groups: each is an entry of its own, further along.
        let mut at = slot(key);
        for _ in 0..SLOTS {
            if let (Some(free @ 0), Some(entry)) = (self.keys.get_mut(at), self.entries.get_mut(at)) {
                *free = key;
                *entry = (group, text);
                return;
            }
            at = (at + 1) % SLOTS;
        }
    }

    fn find(&self, key: u32, tokens: usize, found: &mut impl FnMut(Found)) {
        let mut at = slot(key);
        while let Some(here) = self.keys.get(at).copied().filter(|here| *here != 0) {
            if here == key
                && let Some((group, text)) = self.entries.get(at).copied()
            {
                found(Found { group, text, tokens });
            }
            at = (at + 1) % SLOTS;
        }
    }
}

const fn slot(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 18) as usize % SLOTS
}

/// Every marker that begins at the first of these tokens.
pub fn at(tokens: &[Token], mut found: impl FnMut(Found)) {
    let table = &*TABLE;
    let Some((first, rest)) = tokens.split_first() else { return };
    let stem = first.stem ^ STEM;
    if table.flags.of(stem) & Flags::WHOLE != 0 {
        table.find(stem, 1, &mut found);
    }
    let mut key = first.hash;
    let mut flags = table.flags.of(key);
    if flags & Flags::BEGINS == 0 {
        return;
    }
    if flags & Flags::WHOLE != 0 {
        table.find(key, 1, &mut found);
    }
    for (more, token) in (2..=LONGEST).zip(rest) {
        if flags & Flags::GOES_ON == 0 {
            return;
        }
        let stem = pair(key, token.stem ^ STEM);
        if table.flags.of(stem) & Flags::WHOLE != 0 {
            table.find(stem, more, &mut found);
        }
        key = pair(key, token.hash);
        flags = table.flags.of(key);
        if flags & Flags::WHOLE != 0 {
            table.find(key, more, &mut found);
        }
    }
}

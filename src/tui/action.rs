//! Everything that a key or a word of the palette can do: one table, from which keys, hints, help and palette are made.

use super::layout::Pane;

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Leaves the program.
    Quit,
    /// The ladder of ctrl-c: cancels, clears, then arms quitting.
    Interrupt,
    /// Shows every key.
    Help,
    /// Opens the palette.
    Palette,
    /// Gives the focus to the next pane.
    FocusNext,
    /// Gives the focus to the pane before.
    FocusPrevious,
    /// Gives the focus to a pane.
    Focus(Pane),
    /// Fills the screen with the pane, or shrinks it again.
    Zoom,
    /// Closes, leaves, shrinks: whatever is uppermost.
    Back,
    /// Holds the display still while the work goes on.
    Freeze,
    /// Selects the row above.
    Up,
    /// Selects the row below.
    Down,
    /// Half a page up.
    PageUp,
    /// Half a page down.
    PageDown,
    /// Selects the first row.
    Top,
    /// Selects the last row, and follows new ones.
    Bottom,
    /// Opens the selected row's details.
    Open,
    /// Narrows the rows down to those with a text.
    Filter,
    /// Sorts by the next column.
    Sort,
    /// Turns the order around.
    SortReverse,
    /// Lists all warnings.
    Warnings,
    /// Copies the selected row or the answer.
    Copy,
    /// Turns mouse reports on or off.
    Mouse,
    /// Paints everything anew.
    Redraw,
    /// Stops the program as a shell job.
    Suspend,
    /// Sends the prompt.
    Send,
    /// Starts a new line in the prompt.
    Newline,
    /// Starts a new conversation.
    NewConversation,
    /// Scrolls the conversation up.
    ScrollUp,
    /// Scrolls the conversation down.
    ScrollDown,
    /// Drains the selected part of the fleet.
    Drain,
    /// Takes the selected part into maintenance.
    Maint,
    /// Makes the selected part ready.
    Ready,
    /// Pins to the selected part.
    Pin,
    /// Takes the pins on the selected part away.
    Unpin,
    /// Probes now.
    Probe,
    /// Ends what is in flight on the selected part of the fleet.
    Kill,
    /// Turns the last change of the fleet around.
    Undo,
    /// Sets today's limit.
    Limit,
    /// Cancels the selected request.
    Cancel,
    /// Says that the selected answer was of use.
    Good,
    /// Says that the selected answer was of no use.
    Bad,
    /// Sends the selected prompt again, somewhere else.
    Elsewhere,
    /// Sends the prompt to several tiers at once.
    Compare,
    /// Says that the selected answer is the better one.
    Better,
    /// Selects the column on the left.
    Left,
    /// Selects the column on the right.
    Right,
    /// Demands privacy of the next prompts, or no longer.
    Private,
    /// Demands the next tier.
    NextTier,
    /// Sets the next aim.
    NextAim,
    /// Lets go of every demand.
    NoDemands,
    /// Shows a longer span of time.
    WindowLonger,
    /// Shows a shorter span of time.
    WindowShorter,
    /// Switches charts between first token and total time.
    Measure,
    /// One scale for all tiers, or one for each.
    ScaleMode,
}

/// Where a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everywhere, also while typing.
    Anywhere,
    /// In every pane but the prompt, where letters are text.
    Browse,
    /// Where parts of the fleet are rows.
    Fleet,
    /// Where requests are rows.
    Rows,
    /// In one pane.
    In(Pane),
}

impl Scope {
    /// Whether a key of this scope counts in a pane.
    #[must_use]
    pub fn covers(self, pane: Pane) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Browse => pane != Pane::Prompt,
            Self::Fleet => matches!(pane, Pane::Tiers | Pane::Models),
            Self::Rows => matches!(pane, Pane::Decisions | Pane::Requests),
            Self::In(only) => only == pane,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The action.
    pub action: Action,
    /// Its name in the palette and in `[ui.keys]`.
    pub name: &'static str,
    /// One word for the footer; empty where it is not worth the room there.
    pub hint: &'static str,
    /// What it does, for help and palette.
    pub words: &'static str,
    /// Where its keys count.
    pub scope: Scope,
    /// Its keys, as they stand in the configuration.
    pub keys: &'static [&'static str],
    /// Whether it changes the fleet, so that it is not there in read-only mode.
    pub changes: bool,
}

const fn row(
    action: Action,
    name: &'static str,
    hint: &'static str,
    scope: Scope,
    keys: &'static [&'static str],
    words: &'static str,
) -> Spec {
    Spec { action, name, hint, words, scope, keys, changes: false }
}

const fn changing(spec: Spec) -> Spec {
    Spec { changes: true, ..spec }
}

const PROMPT: Scope = Scope::In(Pane::Prompt);
const LATENCY: Scope = Scope::In(Pane::Latency);
const COMPARE: Scope = Scope::In(Pane::Compare);

/// The table. Its order is that of help; within a pane, of the footer.
pub const TABLE: &[Spec] = &[
    row(Action::Send, "send", "send", PROMPT, &["enter"], "send the prompt"),
    row(
        Action::Newline,
        "newline",
        "new line",
        PROMPT,
        &["ctrl-j", "alt-enter", "shift-enter"],
        "start a new line in the prompt",
    ),
    row(
        Action::Private,
        "private",
        "private",
        PROMPT,
        &["alt-p"],
        "keep the next prompts on this machine, or no longer",
    ),
    row(Action::NextTier, "next-tier", "tier", PROMPT, &["alt-t"], "demand the next tier of the next prompts"),
    row(Action::NextAim, "next-aim", "aim", PROMPT, &["alt-o"], "set the next aim: quality, latency, cost, throughput"),
    row(Action::Compare, "compare", "compare", PROMPT, &["alt-c"], "send the prompt to several tiers at once"),
    row(Action::NoDemands, "no-demands", "", PROMPT, &["alt-0"], "let go of every demand on the next prompts"),
    row(Action::NewConversation, "new", "new talk", Scope::Anywhere, &["ctrl-n"], "start a new conversation"),
    row(Action::ScrollUp, "scroll-up", "", PROMPT, &["pageup"], "scroll the conversation up"),
    row(Action::ScrollDown, "scroll-down", "", PROMPT, &["pagedown"], "scroll the conversation down"),
    changing(row(
        Action::Drain,
        "drain",
        "drain, what if",
        Scope::Fleet,
        &["d"],
        "take no new requests there, let those in flight finish",
    )),
    changing(row(Action::Ready, "ready", "ready", Scope::Fleet, &["u"], "undo a drain or maintenance")),
    changing(row(Action::Maint, "maint", "maint", Scope::Fleet, &["t"], "take no requests there and stop probing it")),
    changing(row(Action::Pin, "pin", "pin", Scope::Fleet, &["p"], "send requests there first, or only there")),
    changing(row(Action::Unpin, "unpin", "", Scope::Fleet, &["shift-p"], "take the pins on it away")),
    changing(row(
        Action::Kill,
        "kill",
        "",
        Scope::Fleet,
        &["shift-k"],
        "end what is in flight there: what has no answer yet goes elsewhere",
    )),
    changing(row(Action::Limit, "limit", "limit", Scope::Browse, &["$"], "set what may be spent today")),
    changing(row(
        Action::Undo,
        "undo",
        "undo",
        Scope::Browse,
        &["shift-u"],
        "turn the last change of the fleet around",
    )),
    row(Action::Probe, "probe", "probe", Scope::Browse, &["r"], "probe the selected backend now, or all of them"),
    changing(row(Action::Cancel, "cancel", "cancel", Scope::Rows, &["x"], "cancel the selected request")),
    changing(row(Action::Good, "good", "good", Scope::Rows, &["+"], "say that the answer was of use")),
    changing(row(Action::Bad, "bad", "bad", Scope::Rows, &["-"], "say that the answer was of no use")),
    row(Action::Elsewhere, "elsewhere", "elsewhere", Scope::Rows, &["e"], "send the prompt again, somewhere else"),
    row(Action::Left, "left", "", COMPARE, &["left", "h"], "select the answer on the left"),
    row(Action::Right, "right", "next answer", COMPARE, &["right", "l"], "select the answer on the right"),
    changing(row(
        Action::Better,
        "better",
        "better",
        COMPARE,
        &["b", "enter"],
        "say that the selected answer is the better one",
    )),
    row(Action::WindowLonger, "window-longer", "longer", LATENCY, &["-"], "show a longer span of time"),
    row(Action::WindowShorter, "window-shorter", "shorter", LATENCY, &["+", "="], "show a shorter span of time"),
    row(Action::Measure, "measure", "ttft/total", LATENCY, &["t"], "chart the time to first token, or the total time"),
    row(
        Action::ScaleMode,
        "scale",
        "scale",
        LATENCY,
        &["a"],
        "one scale for all tiers, one for each, or a logarithmic one",
    ),
    row(Action::Open, "open", "details", Scope::Fleet, &["enter"], "the whole story of the selected row"),
    row(Action::Open, "story", "story", Scope::Rows, &["enter"], "the whole story of the selected request"),
    row(Action::Filter, "filter", "filter", Scope::Browse, &["/"], "only rows with a text"),
    row(Action::Sort, "sort", "sort", Scope::Browse, &["s"], "sort by the next column"),
    row(Action::SortReverse, "sort-reverse", "", Scope::Browse, &["shift-s"], "turn the order around"),
    row(Action::Up, "up", "", Scope::Browse, &["up", "k"], "select the row above"),
    row(Action::Down, "down", "", Scope::Browse, &["down", "j"], "select the row below"),
    row(Action::PageUp, "page-up", "", Scope::Browse, &["pageup", "ctrl-u"], "half a page up"),
    row(Action::PageDown, "page-down", "", Scope::Browse, &["pagedown", "ctrl-d"], "half a page down"),
    row(Action::Top, "top", "", Scope::Browse, &["home", "g"], "select the first row"),
    row(Action::Bottom, "bottom", "", Scope::Browse, &["end", "shift-g"], "select the last row and follow new ones"),
    row(Action::Zoom, "zoom", "zoom", Scope::Browse, &["z"], "fill the screen with this pane, with all of its detail"),
    row(Action::Freeze, "freeze", "freeze", Scope::Browse, &["space"], "hold the display still; routing goes on"),
    row(Action::Copy, "copy", "copy", Scope::Browse, &["y"], "copy the selected row, the answer, or the log"),
    row(Action::Warnings, "warnings", "warnings", Scope::Browse, &["w"], "list all warnings with what to do"),
    row(
        Action::Mouse,
        "mouse",
        "",
        Scope::Browse,
        &["m"],
        "mouse reports on or off (on: the terminal cannot select text)",
    ),
    row(Action::Palette, "palette", "", Scope::Browse, &[":"], "find any action by name"),
    row(
        Action::Palette,
        "commands",
        "actions",
        Scope::Anywhere,
        &["ctrl-p"],
        "find any action by name, also while typing",
    ),
    row(Action::Help, "help", "help", Scope::Browse, &["?"], "show every key"),
    row(Action::Help, "keys", "help", Scope::Anywhere, &["f1"], "show every key, also while typing"),
    row(Action::FocusNext, "next-pane", "pane", Scope::Anywhere, &["tab"], "go to the next pane"),
    row(Action::FocusPrevious, "previous-pane", "", Scope::Anywhere, &["shift-tab"], "go to the pane before"),
    row(Action::Focus(Pane::Prompt), "go-prompt", "", Scope::Browse, &["1", "i"], "go to the prompt"),
    row(Action::Focus(Pane::Tiers), "go-tiers", "", Scope::Browse, &["2"], "go to the tiers"),
    row(Action::Focus(Pane::Latency), "go-latency", "", Scope::Browse, &["3"], "go to the latency charts"),
    row(Action::Focus(Pane::Gpu), "go-gpu", "", Scope::Browse, &["4"], "go to the GPUs"),
    row(Action::Focus(Pane::Cost), "go-cost", "", Scope::Browse, &["5"], "go to the cost"),
    row(Action::Focus(Pane::Decisions), "go-decisions", "why", Scope::Browse, &["6"], "go to the decisions"),
    row(
        Action::Focus(Pane::Requests),
        "requests",
        "requests",
        Scope::Browse,
        &["7"],
        "every request that passed, as a table",
    ),
    row(
        Action::Focus(Pane::Models),
        "models",
        "models",
        Scope::Browse,
        &["8"],
        "every model: state, price, speed, success",
    ),
    row(
        Action::Focus(Pane::Spend),
        "spend",
        "spending",
        Scope::Browse,
        &["9"],
        "where the money went and where it is going",
    ),
    row(Action::Focus(Pane::Log), "log", "", Scope::Browse, &["0", "shift-l"], "the program's log"),
    row(Action::Focus(Pane::Compare), "comparison", "", Scope::Browse, &["c"], "the answers of the last comparison"),
    row(
        Action::Focus(Pane::Prompt),
        "jump-prompt",
        "",
        Scope::Anywhere,
        &["alt-1"],
        "go to the prompt, also while typing",
    ),
    row(
        Action::Focus(Pane::Tiers),
        "jump-tiers",
        "tiers",
        Scope::Anywhere,
        &["alt-2"],
        "go to the tiers, also while typing",
    ),
    row(
        Action::Focus(Pane::Latency),
        "jump-latency",
        "",
        Scope::Anywhere,
        &["alt-3"],
        "go to the latency charts, also while typing",
    ),
    row(Action::Focus(Pane::Gpu), "jump-gpu", "", Scope::Anywhere, &["alt-4"], "go to the GPUs, also while typing"),
    row(Action::Focus(Pane::Cost), "jump-cost", "", Scope::Anywhere, &["alt-5"], "go to the cost, also while typing"),
    row(
        Action::Focus(Pane::Decisions),
        "jump-decisions",
        "why",
        Scope::Anywhere,
        &["alt-6"],
        "go to the decisions, also while typing",
    ),
    row(
        Action::Focus(Pane::Requests),
        "jump-requests",
        "",
        Scope::Anywhere,
        &["alt-7"],
        "every request, also while typing",
    ),
    row(Action::Focus(Pane::Models), "jump-models", "", Scope::Anywhere, &["alt-8"], "every model, also while typing"),
    row(
        Action::Focus(Pane::Spend),
        "jump-spend",
        "spending",
        Scope::Anywhere,
        &["alt-9"],
        "the spending, also while typing",
    ),
    row(
        Action::Back,
        "back",
        "back",
        Scope::Anywhere,
        &["esc"],
        "interrupt the answer, close, leave, shrink: whatever is uppermost",
    ),
    row(
        Action::Interrupt,
        "interrupt",
        "",
        Scope::Anywhere,
        &["ctrl-c"],
        "cancel the answer, clear the prompt; twice: quit",
    ),
    row(Action::Redraw, "redraw", "", Scope::Anywhere, &["ctrl-l"], "paint everything anew"),
    row(Action::Suspend, "suspend", "", Scope::Anywhere, &["ctrl-z"], "stop the program as a shell job (`fg` resumes)"),
    row(Action::Quit, "quit", "quit", Scope::Browse, &["q"], "leave the program"),
];

/// The first row of an action.
#[must_use]
pub fn spec_of(action: Action) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.action == action)
}

//! The families of formats: what each one's markers are, and how a template shows whose it is.

use super::json_call::JsonCalls;
use super::literal::QUOTE;
use super::machine::Calls;
use super::mistral::MistralCall;
use super::qwen_xml::XmlCall;
use super::sections::{DEEPSEEK, KIMI, SectionCalls};
use super::{gemma4, harmony, lfm2};

/// How models of a family write calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Hermes, Qwen 2.5, Qwen 3, Granite 4: JSON in `<tool_call>`.
    Hermes,
    /// Qwen3-Coder, Qwen 3.5: tags in `<tool_call>`.
    QwenXml,
    /// GLM 4.5 and later: a name and tags in `<tool_call>`.
    Glm,
    /// Gemma 4.
    Gemma4,
    /// Llama 3: JSON alone, or behind `<|python_tag|>`.
    Llama3,
    /// Mistral up to its seventh tokenizer: a list behind `[TOOL_CALLS]`.
    MistralList,
    /// Mistral since then: `[TOOL_CALLS]name[ARGS]{…}`.
    MistralArgs,
    /// gpt-oss.
    Harmony,
    /// LFM2: Python's calls.
    Lfm2,
    /// DeepSeek V3 and R1: fenced JSON.
    DeepSeek,
    /// DeepSeek V3.1.
    DeepSeek31,
    /// Kimi K2.
    Kimi,
    /// Granite 3, Phi-4 mini: a list behind `<|tool_call|>`.
    List,
    /// No family's: what is asked for is Hermes' form.
    #[default]
    Generic,
}

/// The markers of thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thinking {
    /// Opens a thought.
    pub open: &'static str,
    /// Stands behind that, in some families.
    pub label: &'static str,
    /// Ends it.
    pub close: &'static str,
}

impl Thinking {
    /// Most families'.
    pub const TAGS: Self = Self { open: "<think>", label: "", close: "</think>" };
    /// Mistral's.
    pub const BRACKETS: Self = Self { open: "[THINK]", label: "", close: "[/THINK]" };
    /// Gemma 4's.
    pub const GEMMA: Self = Self { open: "<|channel>", label: "thought", close: "<channel|>" };
}

/// What a template must hold, and whose it is then. The first that fits is taken.
const SIGNS: &[(&[&str], Family)] = &[
    (&["<|channel|>", "<|message|>"], Family::Harmony),
    (&["<|tool_call>"], Family::Gemma4),
    (&["[TOOL_CALLS]", "[ARGS]"], Family::MistralArgs),
    (&["[TOOL_CALLS]"], Family::MistralList),
    (&["<｜tool▁call▁begin｜>", "```json"], Family::DeepSeek),
    (&["<｜tool▁call▁begin｜>"], Family::DeepSeek31),
    (&["<|tool_calls_section_begin|>"], Family::Kimi),
    (&["<arg_key>"], Family::Glm),
    (&["<function="], Family::QwenXml),
    (&["<|tool_list_start|>"], Family::Lfm2),
    (&["<|tool_call_start|>"], Family::Lfm2),
    (&["<|tool_call|>"], Family::List),
    (&["<tool_call>"], Family::Hermes),
    (&["<|python_tag|>"], Family::Llama3),
    (&["<|start_header_id|>", "ipython"], Family::Llama3),
];

impl Family {
    /// Whose a template is.
    pub fn of_template(template: &str) -> Self {
        let fits = |(signs, _): &&(&[&str], Self)| signs.iter().all(|sign| template.contains(sign));
        SIGNS.iter().find(fits).map_or(Self::Generic, |(_, family)| *family)
    }

    /// Its name, to be shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hermes => "hermes",
            Self::QwenXml => "qwen-xml",
            Self::Glm => "glm",
            Self::Gemma4 => "gemma4",
            Self::Llama3 => "llama3",
            Self::MistralList => "mistral-list",
            Self::MistralArgs => "mistral-args",
            Self::Harmony => "harmony",
            Self::Lfm2 => "lfm2",
            Self::DeepSeek => "deepseek",
            Self::DeepSeek31 => "deepseek-v3.1",
            Self::Kimi => "kimi",
            Self::List => "tool-call-list",
            Self::Generic => "generic",
        }
    }

    /// What opens calls.
    pub fn openers(self) -> &'static [&'static str] {
        match self {
            Self::Hermes | Self::Glm | Self::Generic => &["<tool_call>"],
            Self::QwenXml => &["<tool_call>", "<function="],
            Self::Gemma4 => &[gemma4::OPEN],
            Self::Llama3 => &["<|python_tag|>"],
            Self::MistralList | Self::MistralArgs => &["[TOOL_CALLS]"],
            Self::Harmony => &[],
            Self::Lfm2 => &[lfm2::OPEN],
            Self::DeepSeek | Self::DeepSeek31 => &[DEEPSEEK.open, DEEPSEEK.call],
            Self::Kimi => &[KIMI.open, KIMI.call],
            Self::List => &["<|tool_call|>"],
        }
    }

    /// All its markers that a vocabulary may have as tokens, those of thoughts aside.
    pub fn markers(self) -> Vec<&'static str> {
        let others: &[&str] = match self {
            Self::Hermes | Self::QwenXml | Self::Generic => &["</tool_call>"],
            Self::Glm => &["</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"],
            Self::Gemma4 => &[gemma4::CLOSE, QUOTE],
            Self::Llama3 => &[],
            Self::MistralList | Self::MistralArgs => &["[ARGS]", "[CALL_ID]"],
            Self::Harmony => &harmony::MARKERS,
            Self::Lfm2 => &[lfm2::CLOSE],
            Self::DeepSeek | Self::DeepSeek31 => &[DEEPSEEK.close, DEEPSEEK.separator, DEEPSEEK.end],
            Self::Kimi => &[KIMI.close, KIMI.separator, KIMI.end],
            Self::List => &["<|/tool_call|>"],
        };
        self.openers().iter().chain(others).copied().collect()
    }

    /// How its models write thoughts.
    pub fn thinking(self) -> Option<Thinking> {
        match self {
            Self::Harmony => None,
            Self::Gemma4 => Some(Thinking::GEMMA),
            Self::MistralArgs => Some(Thinking::BRACKETS),
            _ => Some(Thinking::TAGS),
        }
    }

    /// Whether several calls stand behind one opening marker.
    pub fn is_section(self) -> bool {
        use Family::{DeepSeek, DeepSeek31, Kimi, Lfm2, List, Llama3, MistralList};
        matches!(self, DeepSeek | DeepSeek31 | Kimi | Lfm2 | List | Llama3 | MistralList)
    }

    /// A reader of the calls behind `opener`.
    pub fn calls(family: Option<Self>, opener: &str) -> Calls {
        match family.unwrap_or(Self::Generic) {
            Self::QwenXml if opener != "<tool_call>" => Calls::Xml(XmlCall::named()),
            Self::Hermes | Self::QwenXml | Self::Generic | Self::Harmony => Calls::Tag { names: false },
            Self::Glm => Calls::Tag { names: true },
            Self::Gemma4 => Calls::Gemma(gemma4::GemmaCall::new()),
            Self::Llama3 => Calls::Json(JsonCalls::new(), None),
            Self::MistralList | Self::MistralArgs => Calls::Mistral(MistralCall::new()),
            Self::Lfm2 => Calls::Bracket,
            Self::DeepSeek | Self::DeepSeek31 => Calls::Sections(SectionCalls::new(&DEEPSEEK, opener)),
            Self::Kimi => Calls::Sections(SectionCalls::new(&KIMI, opener)),
            Self::List => Calls::Json(JsonCalls::new(), Some("<|/tool_call|>")),
        }
    }

    /// Whether its models also write calls without a marker, as JSON alone. Qwen2.5-Coder does, whatever it is told.
    pub fn has_bare_calls(self) -> bool {
        matches!(self, Self::Llama3 | Self::Hermes | Self::Generic)
    }
}

//! Arabic; values are isolated, as they are written from left to right.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "إظهار Lantern أو إخفاؤه",
    new_chat: "محادثة جديدة",
    quick_entry: "سؤال سريع",
    endpoint_at: "نقطة النهاية على \u{2068}{address}\u{2069}",
    endpoint_failed: "تعطلت نقطة النهاية",
    endpoint_off: "نقطة النهاية متوقفة",
    no_downloads: "لا تنزيلات",
    one_download: "تنزيل واحد: \u{2068}{state}\u{2069}",
    downloads: "التنزيلات ({count}): \u{2068}{state}\u{2069}",
    paused: "متوقف مؤقتًا",
    no_model: "لا يوجد نموذج في الذاكرة",
    loading: "جارٍ تحميل \u{2068}{model}\u{2069}",
    not_loaded: "تعذر تحميل \u{2068}{model}\u{2069}",
    free_memory: "إخراجه من الذاكرة",
    quit: "إنهاء Lantern",
    download_done: "اكتمل التنزيل",
    download_done_text: "\u{2068}{file}\u{2069} في مكتبتك.",
    download_failed: "فشل التنزيل",
    download_failed_text: "تعذر تنزيل \u{2068}{file}\u{2069}. يعرض Lantern السبب.",
    answer_done: "الإجابة جاهزة",
    answer_failed: "فشلت الإجابة",
    took_seconds: "استغرقت {seconds} ث.",
    took_minutes: "استغرقت {minutes} د {seconds} ث.",
    ask: "اسأل Lantern",
    cannot_start: "لا يستطيع Lantern البدء",
    decimal_mark: ".",
};

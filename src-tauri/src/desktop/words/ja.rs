//! Japanese.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "Lantern を表示/非表示",
    new_chat: "新しいチャット",
    quick_entry: "クイック質問",
    endpoint_at: "エンドポイント: {address}",
    endpoint_failed: "エンドポイントのエラー",
    endpoint_off: "エンドポイント: オフ",
    no_downloads: "ダウンロードはありません",
    one_download: "ダウンロード 1 件: {state}",
    downloads: "ダウンロード {count} 件: {state}",
    paused: "一時停止中",
    no_model: "メモリにモデルはありません",
    loading: "{model} を読み込み中",
    not_loaded: "{model} を読み込めませんでした",
    free_memory: "メモリを解放",
    quit: "Lantern を終了",
    download_done: "ダウンロード完了",
    download_done_text: "{file} をライブラリに追加しました。",
    download_failed: "ダウンロード失敗",
    download_failed_text: "{file} をダウンロードできませんでした。理由は Lantern に表示されます。",
    answer_done: "回答ができました",
    answer_failed: "回答に失敗しました",
    took_seconds: "{seconds} 秒かかりました。",
    took_minutes: "{minutes} 分 {seconds} 秒かかりました。",
    ask: "Lantern に質問",
    cannot_start: "Lantern を起動できません",
    decimal_mark: ".",
};

//! Chinese.

use super::Words;

/// What is said outside of windows.
pub const WORDS: Words = Words {
    show_or_hide: "显示或隐藏 Lantern",
    new_chat: "新对话",
    quick_entry: "快速提问",
    endpoint_at: "端点位于 {address}",
    endpoint_failed: "端点出错",
    endpoint_off: "端点已关闭",
    no_downloads: "没有下载",
    one_download: "1 个下载：{state}",
    downloads: "{count} 个下载：{state}",
    paused: "已暂停",
    no_model: "内存中没有模型",
    loading: "正在加载 {model}",
    not_loaded: "无法加载 {model}",
    free_memory: "释放内存",
    quit: "退出 Lantern",
    download_done: "下载完成",
    download_done_text: "{file} 已在您的模型库中。",
    download_failed: "下载失败",
    download_failed_text: "无法下载 {file}。原因请见 Lantern。",
    answer_done: "回答已完成",
    answer_failed: "回答失败",
    took_seconds: "用时 {seconds} 秒。",
    took_minutes: "用时 {minutes} 分 {seconds} 秒。",
    ask: "询问 Lantern",
    cannot_start: "Lantern 无法启动",
    decimal_mark: ".",
};

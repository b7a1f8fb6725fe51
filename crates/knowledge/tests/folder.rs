//! Listing a real folder.

use std::fs;

use lantern_knowledge::folder::list;

#[test]
fn only_files_worth_reading_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "words").unwrap();
    };
    for name in ["b.md", "a/deep/c.txt", ".hidden/x.md", ".secret", "out/made.txt", "keep.log", "photo.JPG"] {
        write(name);
    }
    fs::write(dir.path().join(".gitignore"), "out/\n*.log\n").unwrap();
    let names = || list(dir.path()).unwrap().files.into_iter().map(|file| file.name).collect::<Vec<_>>();
    assert_eq!(names(), ["a/deep/c.txt", "b.md"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/loop")).unwrap();
        assert_eq!(names(), ["a/deep/c.txt", "b.md"], "links are not followed");
    }
    assert!(list(&dir.path().join("missing")).is_err());
}

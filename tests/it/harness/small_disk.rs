//! A small ext4 of a test's own, in a file: full, or turned read-only by the kernel.
//!
//! Owns: making, mounting, filling, breaking and repairing it.
//! Leaves to others: what a broker makes of that (`space`, `read_only`).
//! Invariant: it is unmounted when it is dropped.
//! Start reading at: [`SmallDisk::mount`].
use std::path::{Path, PathBuf};
use std::process::Command;

use super::wait::{SOON, Wait};
use super::{run, run_any};

pub const DISK_BYTES: u64 = 96 << 20;

/// A file system of [`DISK_BYTES`] that belongs to the user that brokers run as.
pub struct SmallDisk {
    image: PathBuf,
    mounted: PathBuf,
}

impl SmallDisk {
    /// `None`, with a printed sentence, where file systems cannot be mounted.
    pub fn mount(image: &Path, at: &Path) -> Option<Self> {
        let file = std::fs::File::create(image).expect("an image");
        file.set_len(DISK_BYTES).expect("a sparse file");
        let mut make = Command::new("mkfs.ext4");
        make.args(["-q", "-F", "-m", "0"]).arg(image);
        let disk = Self { image: image.to_owned(), mounted: at.to_owned() };
        if !make.output().is_ok_and(|out| out.status.success()) || !disk.try_mount() {
            println!("skipped: no file system can be mounted from a file here");
            return None;
        }
        std::fs::remove_dir(at.join("lost+found")).expect("mkfs made it");
        run(Command::new("chown").arg("65534:65534").arg(at), 10);
        Some(disk)
    }

    /// An error that the kernel finds makes it read-only.
    fn try_mount(&self) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", "loop,errors=remount-ro"]).arg(&self.image).arg(&self.mounted);
        mount.output().is_ok_and(|out| out.status.success())
    }

    fn usable_bytes(&self) -> u64 {
        let mut command = Command::new("df");
        command.args(["--output=avail", "-B1"]).arg(&self.mounted);
        let told = run(&mut command, 10);
        told.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number")
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("filler.deleted-by-the-test")
    }

    /// Takes all but so much of the disk.
    pub fn fill(&self, left: u64) {
        let bytes = self.usable_bytes().saturating_sub(left).to_string();
        // It takes what it can when the broker takes some of it meanwhile.
        let mut command = Command::new("fallocate");
        run_any(command.args(["-l", &bytes]).arg(self.filler()), 10);
    }

    pub fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the filler");
    }

    /// Makes the kernel take it for damaged: it is read-only from now on, whoever has files open
    /// for writing, and what ext4's own journal did not have is as after a power cut.
    pub fn turn_read_only(&self) {
        let mut find = Command::new("findmnt");
        let device = run(find.args(["-n", "-o", "SOURCE"]).arg(&self.mounted), 10);
        let name = device.trim().rsplit('/').next().expect("a device");
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        std::fs::write(&trigger, "the test says so").expect("root may do that");
    }

    /// What an operator does then, when no process uses it any more.
    pub fn repair(&self) {
        // The kernel closes the files of a ring some time after its process has ended.
        let wait = Wait::for_at_most(SOON);
        loop {
            let done = run_any(Command::new("umount").arg(&self.mounted), 30);
            if done.status.success() {
                break;
            }
            wait.again(|| format!("umount: {}", String::from_utf8_lossy(&done.stderr)));
        }
        // 1: errors were corrected.
        let checked = run_any(Command::new("e2fsck").arg("-p").arg(&self.image), 60);
        assert!(checked.status.code().is_some_and(|code| code <= 1), "{checked:?}");
        assert!(self.try_mount(), "it was mounted before");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).output();
    }
}

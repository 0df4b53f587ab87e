package brokertest

import (
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// Immovable keeps what is in the folder from being removed, until release is
// called. Whoever is root is stopped by nothing but the immutable flag (chattr +i).
func Immovable(t testing.TB, folder string) (release func()) {
	t.Helper()
	change := func(mode os.FileMode, flags int) {
		if os.Geteuid() != 0 {
			if err := os.Chmod(folder, mode); err != nil {
				t.Fatal(err)
			}
			return
		}
		f, err := os.Open(folder)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		const setFlags = 0x40086602 // FS_IOC_SETFLAGS
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), setFlags, uintptr(unsafe.Pointer(&flags))); errno != 0 {
			t.Fatalf("change the flags of %s: %v", folder, errno)
		}
	}
	const immutable = 0x10 // FS_IMMUTABLE_FL
	change(0o500, immutable)
	held := true
	release = func() {
		if held {
			held = false
			change(0o700, 0)
		}
	}
	t.Cleanup(release)
	return release
}

//go:build !unix

package embedded

import (
	"errors"
	"os"
	"syscall"
)

var errPlatform = errors.New("an embedded Postgres needs a Unix: use a server of your own instead")

type identity struct{}

func findIdentity() (identity, error)                           { return identity{}, errPlatform }
func (identity) own(string) error                               { return errPlatform }
func (identity) attributes(syscall.Signal) *syscall.SysProcAttr { return nil }
func ownGroup() *syscall.SysProcAttr                            { return nil }
func tryLock(*os.File) (bool, error)                            { return false, errPlatform }
func alive(int) bool                                            { return false }
func worksIn(int, string) bool                                  { return false }

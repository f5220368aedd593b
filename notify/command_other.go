//go:build !unix

package notify

import "os/exec"

// group does nothing: here a program is ended alone.
func group(*exec.Cmd) {}

func end(*exec.Cmd) {}

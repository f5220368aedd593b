package testserver

import (
	"fmt"
	"strings"
	"testing"
)

// skipped keeps what a test is skipped with.
type skipped struct {
	testing.TB
	text string
}

func (s *skipped) Helper() {}

func (s *skipped) Skipf(format string, args ...any) {
	s.text = fmt.Sprintf(format, args...)
	panic(s) // as Skipf does, it does not return
}

// A test that stops its server does not recommend a variable that does not help.
func TestASkippedTestSaysWhatHelps(t *testing.T) {
	for _, variable := range []string{PostgresVariable, ""} {
		s := &skipped{TB: t}
		func() {
			defer func() { _ = recover() }()
			skip(s, missingError("there is none"), "PostgreSQL", variable)
		}()
		if !strings.HasPrefix(s.text, "NOT TESTED: no PostgreSQL. there is none. Install it") || strings.Contains(s.text, "set CARTRITA") != (variable != "") || strings.Contains(s.text, "set  to") {
			t.Errorf("with %q: %s", variable, s.text)
		}
	}
}

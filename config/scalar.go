package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita/model"
)

// Duration is a length of time, written with its unit.
type Duration = model.Duration

// Size is a number of bytes, written plainly or with a unit: "512", "64KiB",
// "32MiB", "1GiB"; KB, MB and GB are powers of ten.
type Size int64

// Units of Size.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var sizeUnits = []struct {
	name string
	size Size
}{
	{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// String writes the size in the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) error {
	text, unit := strings.TrimSpace(string(b)), Size(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(n), u.size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || Size(n) > math.MaxInt64/unit {
		return fmt.Errorf("%q: want a number of bytes, such as 65536, 64KiB or 32MiB", b)
	}
	*s = Size(n) * unit
	return nil
}

// Ref says where a secret is: "env:NAME" or "file:/path". The zero value is
// no secret.
type Ref string

// UnmarshalText implements encoding.TextUnmarshaler. The text is never part of
// the error: it may be the secret itself, put here by mistake.
func (r *Ref) UnmarshalText(b []byte) error {
	s := string(b)
	if err := checkRef(s); err != nil {
		return err
	}
	*r = Ref(s)
	return nil
}

func checkRef(s string) error {
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && scheme == "env" && envName(rest), ok && scheme == "file" && rest != "":
		return nil
	case ok && scheme == "env":
		return fmt.Errorf("want env:NAME with a name of letters, digits and underscores")
	}
	return fmt.Errorf("want a reference to a secret, env:NAME or file:/path; the secret itself does not belong into the configuration")
}

// isRef reports whether s is meant as a reference.
func isRef(s string) bool {
	return strings.HasPrefix(s, "env:") || strings.HasPrefix(s, "file:")
}

// envName reports whether s can be the name of an environment variable.
func envName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

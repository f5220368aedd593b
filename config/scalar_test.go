package config

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "64KiB": 64 << 10, "32 MiB": 32 << 20, "1GiB": 1 << 30, "10MB": 10_000_000, "5kB": 5000, "7B": 7,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "KiB", "-1", "1.5MiB", "9999999999GiB", "1TiB"} {
		if new(Size).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// What is written is read back as the same value.
func TestSizesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Size(rapid.Int64Range(0, 1<<62).Draw(t, "s"))
		var s2 Size
		if err := s2.UnmarshalText([]byte(s.String())); err != nil || s2 != s {
			t.Fatalf("%v became %v: %v", s, s2, err)
		}
	})
}

func TestSuggest(t *testing.T) {
	names := []string{"default_strategy", "max_attempts", "strategies"}
	for word, want := range map[string]string{
		"max_atempts": "max_attempts", "Max_Attempts": "max_attempts", "stratgeies": "strategies", "defaultstrategy": "default_strategy",
		"nothing_alike": "", "x": "", "": "",
	} {
		got := suggest(word, names)
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	for word, want := range map[string]string{"cut": "", "aut": "; did you mean auto?", "jsn": "; did you mean json?", "jsom": "; did you mean json?", "on": ""} {
		if got := suggest(word, []string{"auto", "text", "json", "of"}); got != want {
			t.Errorf("short %q: got %q, want %q", word, got, want)
		}
	}
}

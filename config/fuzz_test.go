package config

import (
	"bytes"
	"os"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// Whatever the file holds: Parse returns a valid configuration that survives
// being written and read, or an invalid-request error with places.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		for _, file := range glob(f, pattern) {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse("c.yaml", data)
		if err != nil {
			if model.KindOf(err) != model.KindInvalid || len(Problems(err)) == 0 {
				t.Fatalf("want an invalid-request error with problems, got %v", err)
			}
			for _, p := range Problems(err) {
				if p.Message == "" || p.Line < 0 || p.Line > bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+1 {
					t.Fatalf("problem without a place: %+v", p)
				}
			}
			return
		}
		text, err := Show(&l.Config)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("shown", text)
		if err != nil {
			t.Fatalf("what Show writes cannot be read: %v\n%s", err, text)
		}
		if diff := Diff(Masked(&l.Config), &again.Config); len(diff) > 0 {
			t.Fatalf("reading what Show wrote changes it: %v\n%s", diff, text)
		}
	})
}

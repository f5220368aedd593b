package sink_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/cartrita/cartrita/sink"
)

// Whatever is done to the file from outside, what is sent afterwards is in the
// file at the path, line by line.
func TestAFileThatIsTouchedFromOutsideLosesNothing(t *testing.T) {
	for name, touch := range map[string]func(path string) error{
		"removed": os.Remove,
		"renamed": func(path string) error { return os.Rename(path, path+"-20261127") },
		"replaced": func(path string) error {
			if err := os.Rename(path, path+"-20261127"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
		"emptied":                 func(path string) error { return os.Truncate(path, 0) },
		"removed with its folder": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log", "events.jsonl")
			f, err := sink.NewFile(sink.FileConfig{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Send(t.Context(), messages(0, 3)); err != nil {
				t.Fatal(err)
			}
			if err := touch(path); err != nil {
				t.Fatal(err)
			}
			for n := 3; n < 9; n += 3 {
				if err := f.Send(t.Context(), messages(n, n+3)); err != nil {
					t.Fatal(err)
				}
			}
			var want bytes.Buffer
			for _, m := range messages(3, 9) {
				want.Write(append(m.JSON, '\n'))
			}
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%v: the file holds %q, want %q", err, got, want.Bytes())
			}
			if got, err := os.ReadFile(path + "-20261127"); err == nil && len(bytes.Split(got, []byte("\n"))) != 4 {
				t.Errorf("the renamed file holds %q, want the three lines of before", got)
			}
		})
	}
}

package mock

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/cartrita/cartrita/model"
)

// file is the shape of a profile file.
type file struct {
	Models []Profile `yaml:"models"`
}

// Load reads profiles from YAML: a member "models" with a list of profiles.
// name is the file's, for messages. Unknown members are refused. Errors are
// KindInvalid, and say the line and column where the text is at fault.
func Load(name string, data []byte) ([]Profile, error) {
	const op = "mock.Load"
	var f file
	err := yaml.UnmarshalWithOptions(data, &f, yaml.Strict(), yaml.DisallowUnknownField())
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, &model.Error{Op: op, Kind: model.KindInvalid, Param: name, Message: position(err)}
	}
	if len(f.Models) == 0 {
		return nil, model.Invalidf(op, name, "holds no models: want a member \"models\" with a list of profiles")
	}
	seen := make(map[string]bool, len(f.Models))
	for i, p := range f.Models {
		p = p.withDefaults()
		err := p.validate()
		if err == nil && seen[p.Name] {
			err = model.Invalidf(op, "name", "%q stands twice", p.Name)
		}
		if e := model.AsError(err); e != nil {
			return nil, model.Invalidf(op, fmt.Sprintf("%s: models[%d].%s", name, i, e.Param), "%s", e.Message)
		}
		seen[p.Name] = true
	}
	return f.Models, nil
}

// position words a YAML error on one line, its place first: "[3:5] unknown
// field "ttf"".
func position(err error) string {
	text := yaml.FormatError(err, false, false)
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

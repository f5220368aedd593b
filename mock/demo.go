package mock

import (
	_ "embed"

	"github.com/cartrita/cartrita/model"
)

// demoFile holds the demo models; it is also an example of a profile file.
//
//go:embed demo.yaml
var demoFile []byte

// DemoProvider is the provider of the demo models in a registry.
const DemoProvider = "demo"

// DemoFile returns the profile file of the demo models, to start one's own from.
func DemoFile() []byte { return append([]byte(nil), demoFile...) }

// Demo returns a set of models that differ clearly in quality, price, speed,
// risk and licence, so that each routing strategy prefers another one.
func Demo() []Profile {
	profiles, err := Load("demo.yaml", demoFile)
	if err != nil {
		panic(err) // the file is part of the program, and a test reads it
	}
	return profiles
}

// DemoModels returns the registry records of the demo models.
func DemoModels() []model.Model {
	var out []model.Model
	for _, p := range Demo() {
		out = append(out, p.Record(DemoProvider))
	}
	return out
}

package importer_test

import (
	"fmt"

	"github.com/cartrita/cartrita/registry/importer"
)

func ExampleParse() {
	data := []byte(`{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05, "supports_moods": true}}`)
	f, err := importer.Parse(importer.Auto, data, importer.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := f.Records[0]
	fmt.Println(f.Format, r.Model.ID, *r.Model.Pricing.Input, r.Ignored)
	// Output: litellm openai/gpt-4o $2.5 [supports_moods]
}

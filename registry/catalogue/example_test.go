package catalogue_test

import (
	"fmt"
	"os"

	"github.com/cartrita/cartrita/registry/catalogue"
)

func ExampleLoad() {
	c, err := catalogue.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(c.Models) > 1000)
	fmt.Println(c.Canonical("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"))
	// Output:
	// true
	// claude-sonnet-4-5
}

func ExampleCatalogue_Discover() {
	c, err := catalogue.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Setenv("XAI_API_KEY", "secret")
	defer os.Unsetenv("XAI_API_KEY")
	for _, e := range c.Discover(func(name string) string {
		if name != "XAI_API_KEY" {
			return "" // this example looks at one key only
		}
		return os.Getenv(name)
	}) {
		fmt.Println(e.BaseURL, e.Credential)
		break
	}
	// Output: https://api.x.ai/v1 env:XAI_API_KEY
}

package model_test

import (
	"encoding/json"
	"testing"

	"github.com/cartrita/cartrita/model"
)

// An estimate without a price has no amounts: 0 would be free.
func TestAnEstimateWithoutAPriceHasNoAmounts(t *testing.T) {
	e := model.Estimate{InputTokens: 12, OutputTokens: 300, Method: model.MethodPrior}
	for want, priced := range map[string]bool{
		`{"input_tokens":12,"output_tokens":300,"method":"prior","priced":false,"expected_usd":null,"low_usd":null,"high_usd":null}`: false,
		`{"expected_usd":0,"low_usd":0,"high_usd":0,"input_tokens":12,"output_tokens":300,"method":"prior","priced":true}`:           true,
	} {
		e.Priced = priced
		got, err := json.Marshal([]*model.Estimate{&e})
		if err != nil || string(got) != "["+want+"]" {
			t.Errorf("is %s, %v; want %s", got, err, want)
		}
		var back model.Estimate
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != e {
			t.Errorf("is read back as %+v, %v", back, err)
		}
	}
}

package notify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tidwall/gjson"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/notify"
)

func ExampleNewSlack() {
	slack := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(gjson.GetBytes(body, "text"))
	}))
	defer slack.Close()

	channel, err := notify.NewSlack(notify.HTTPConfig{URL: slack.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = channel.Send(context.Background(), &alert.Notification{
		ID: "1", Event: alert.Firing, Rule: "too-dear", Type: alert.CostThreshold, Severity: alert.Critical, At: time.Now(),
		Alerts: []alert.Alert{{Incident: "2", Subject: "team <ml>", Summary: "cost of team <ml> in 1h is $12.30 (> $10.00)", Value: 12.3, Operator: alert.Above, Threshold: 10, Unit: "USD"}},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// FIRING critical: too-dear (team &lt;ml&gt;)
	// cost of team &lt;ml&gt; in 1h is $12.30 (&gt; $10.00)
}

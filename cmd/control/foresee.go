package main

import (
	"context"

	"github.com/signalbox-io/signalbox/internal/claims"
	"github.com/signalbox-io/signalbox/internal/httpapi"
	"github.com/signalbox-io/signalbox/internal/tenants"
)

// foresee asks every broker of the account's operator what claims would do there.
func (d *delivery) foresee(ctx context.Context, account tenants.RehearsedAccount, said []byte) (httpapi.Outlook, error) {
	brokers, err := d.domain.CountBrokers(ctx, account.OperatorID)
	if err != nil || brokers == 0 {
		return httpapi.Outlook{}, err
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	answers, err := d.hub.Foresee(asking, string(account.OperatorID), said, account.Trust, brokers)
	if err != nil {
		return httpapi.Outlook{}, err
	}
	var keys []claims.UserKey
	for _, a := range answers {
		for _, c := range a.Outlook.Connections {
			keys = append(keys, claims.UserKey(c.User))
		}
	}
	names, err := d.domain.UserNames(ctx, account.Account, keys)
	if err != nil {
		return httpapi.Outlook{}, err
	}
	out := httpapi.Outlook{Asked: brokers}
	for _, a := range answers {
		b := httpapi.BrokerOutlook{Broker: a.Broker, Connected: a.Outlook.Connected, Closed: a.Outlook.Closed, Subscriptions: a.Outlook.Subscriptions}
		for _, c := range a.Outlook.Connections {
			b.Closing = append(b.Closing, httpapi.Closing{ID: c.ID, UserPublicKey: c.User, User: names[claims.UserKey(c.User)],
				ConnectionType: c.ConnectionType, Address: c.Address, Name: c.Name, Subscriptions: c.Subscriptions})
		}
		out.Brokers = append(out.Brokers, b)
	}
	return out, nil
}

package claims

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // a zone that was accepted must be known to every broker, in an image without files as well

	"github.com/signalbox-io/signalbox/internal/fault"
)

// TimeRange is a part of each day, as hh:mm:ss. One that ends before it starts
// goes on past midnight.
type TimeRange struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// MaxTimes is how many ranges a list may have.
const MaxTimes = 50

func validateTimes(times []TimeRange, zone string) error {
	errs := []error{validateZone(zone)}
	if len(times) > MaxTimes {
		return errors.Join(append(errs, fault.Field("/times", "%d ranges at most", MaxTimes))...)
	}
	if len(times) > 0 && zone == "" {
		errs = append(errs, fault.Field("/time_zone", "hours need a time zone, such as UTC or Europe/Berlin: brokers stand in several"))
	}
	for i, r := range times {
		at := fmt.Sprintf("/times/%d", i)
		start, end := validateClock(at+"/start", r.Start), validateClock(at+"/end", r.End)
		errs = append(errs, start, end)
		if start == nil && end == nil && r.Start == r.End {
			errs = append(errs, fault.Field(at+"/end", "this range is empty: it ends when it starts; leave all ranges out for the whole day"))
		}
	}
	return errors.Join(errs...)
}

func validateClock(pointer, text string) error {
	if t, err := time.Parse(time.TimeOnly, text); err != nil || t.Format(time.TimeOnly) != text {
		return fault.Field(pointer, "a time of day is written hh:mm:ss, from 00:00:00 to 23:59:59")
	}
	return nil
}

// validateZone refuses Local, which is another on each broker.
func validateZone(zone string) error {
	if zone == "" {
		return nil
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return fault.Field("/time_zone", "there is no time zone with this name; they are those of the tz database, such as UTC or Europe/Berlin")
	}
	return nil
}

package tenants

import (
	"fmt"
	"testing"
)

// What creating a device login costs, by how many the account has, and how many
// bytes of pages it writes, which brokers fetch.
func BenchmarkCreateDeviceLogin(b *testing.B) {
	for _, others := range []int{0, 9000} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			w := setup(b)
			user := w.user("u")
			if others > 0 {
				w.fillLogins(user, others)
			}
			for _, sql := range []string{
				`CREATE TABLE written (bytes bigint)`,
				`CREATE FUNCTION note_written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO written VALUES (length(NEW.records)); RETURN NEW; END $$`,
				`CREATE TRIGGER note_written AFTER INSERT OR UPDATE ON login_pages FOR EACH ROW EXECUTE FUNCTION note_written()`,
			} {
				if _, err := w.pool.Exec(b.Context(), sql); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, err := w.CreateDeviceLogin(b.Context(), w.owner, user.ID, Once{}, DeviceLoginSpec{Kind: TokenLogin}); err != nil {
					b.Fatal(err)
				}
			}
			bytes := must(value[int64](b.Context(), w.pool, `SELECT coalesce(sum(bytes), 0)::bigint FROM written`, nil))(b)
			b.ReportMetric(float64(bytes)/float64(b.N), "page-B/op")
		})
	}
}

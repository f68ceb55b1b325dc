/* Logs in with pgjdbc at the URL given, and says what the server tells of the session. */
import java.sql.DriverManager;
import java.sql.SQLException;

class Login {
	public static void main(String[] arguments) {
		var question = "SELECT version, current_setting('server_version_num') FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
		try (var connection = DriverManager.getConnection(arguments[0]);
		     var row = connection.createStatement().executeQuery(question)) {
			row.next();
			System.out.println(row.getString(1) + " " + row.getString(2));
		} catch (SQLException error) {
			System.err.println(error.getMessage());
			System.exit(1);
		}
	}
}

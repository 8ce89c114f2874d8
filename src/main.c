/* The program: the name it is called by selects a persona. */
int main(void)
{
	return 0;
}
